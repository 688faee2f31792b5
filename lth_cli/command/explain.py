"""What goes wrong with a command line or a config -> a short message."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import hydra
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli.core.faults import MEMORY, TooLarge, WorkerEnded, lack
from lth_cli.core.spelling import clean, gist, nearest, to_type
from lth_cli.core.streams import described
from lth_cli.setup.conf import conf_dir, options
from lth_cli.setup.schema import ConfigError
from lth_cli.setup.values import allowed, wrong_choice

_NO_SUCH_KEY = ": there is no such key"
_LEAVE_OUT = ": there is such a key already; to change it, leave out the +"
_QUOTES = "'\""


def explain(error: Exception, arguments: Sequence[str]) -> str:
    """A few lines that name the key, the value, what is allowed and the nearest right spelling.

    Args:
        error: of ours, of Hydra, of OmegaConf, or of the operating system.
        arguments: the command line, whose choices decide which keys there are.
    """
    if isinstance(error, OSError) and error.filename:
        return clean(f"{error.filename}: {error.strerror}")
    text = str(error).strip()
    if isinstance(error, OmegaConfBaseException) and error.full_key:
        return f"{error.full_key}: {gist(text)}"  # of Hydra's own node
    is_primary = text.startswith("Cannot find primary config")  # no field tells
    if isinstance(error, MissingConfigException) and "/" in (error.missing_cfg_file or "") and not is_primary:
        return _unknown_option(error)
    if isinstance(error, ConfigError) and text.endswith(_NO_SUCH_KEY):
        return _unknown_key(text.removesuffix(_NO_SUCH_KEY), arguments)
    if isinstance(error, ConfigCompositionException) and (words := _composition(error, text, arguments)):
        return words
    if words := wrong_choice(error.__cause__ or error.__context__):
        return words
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if isinstance(error, OverrideParseException):
        key, _, value = error.override.partition("=")
        example = to_type(f"{key}={QuotedString(value.strip(_QUOTES), Quote.double).with_quotes()}")
        as_in = f":\n     {example}" if example else ""
        return f"{error.override}: cannot be read: special characters need quotes, within the shell's{as_in}"
    cause = _cause(error)
    return "\n     ".join([*lines[:3], *([cause] if cause and cause not in text else [])])


def _composition(error: ConfigCompositionException, text: str, arguments: Sequence[str]) -> str | None:
    """Of an override that Hydra refuses. Which one it is, and as it was typed, is only in the text of the error."""
    if found := re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", text):
        key, values = found.groups()
        return f"{key}={values}: several values are a sweep and need -m; a list is written {key}=[…]"
    if found := re.search(r"Sweep parameters '(.*)' requires", text):
        return f"{found[1]}: several values are a sweep and need -m"
    if (found := re.match(r"Multiple values for ([\w/]+)\.", text)) and f"+{found[1]}=" in " ".join(arguments):
        return f"{found[1]}{_LEAVE_OUT}"
    if found := re.search(r"Could not (?:override|append to config)[^']*'([^']+)'", text):
        inner = str(getattr(error.__cause__, "full_key", ""))  # of a dict, the one that is wrong
        return _unknown_key(inner if inner.startswith(f"{found[1]}.") else found[1], arguments)
    if words := wrong_choice(error.__cause__ or error.__context__):
        return words
    if found := re.search(r"Error merging override \+*([\w.]+)=(.*)", text):
        key, value = found.groups()
        group = key.partition(".")[0]
        meant = f"; did you mean {group}={value}?" if value in options().get(group, ()) else ""
        return f"{key}={value}: {allowed(key) or _cause(error)}{meant}"
    if "interpolation" in text.lower() and (typed := [word for word in arguments if "${" in word]):
        return f"{typed[0]}: the name of an option; in place of one, ${{…}} can only name another group"
    return None


def _cause(error: Exception) -> str:
    return gist(str(error.__cause__ or ""))


def first_line(error: Exception) -> str:
    """The kind of an error and the first line of its text that says something."""
    return f"{type(error).__name__}: {gist(str(error)) or 'without a word'}"


def failure(error: Exception) -> str | None:
    """What stopped a run, where it is not the run's own doing, as disk, memory, or a signal; None for anything else."""
    if isinstance(error, TooLarge | WorkerEnded):
        return str(error)
    if (lacked := lack(error)) is not None:
        less = ": a smaller train.batch_size, fewer replicates or executor=serial needs less"
        return lacked + (less if lacked == MEMORY else "")
    text = described(error)
    return text if isinstance(error, OSError) and text != str(error) else None


def _unknown_option(error: MissingConfigException) -> str:
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    # Hydra does not say the options for one of a list.
    available = error.options or options().get(group, [])
    lines = [f"{group}={option}: there is no such option{nearest(option, available)}"]
    if available:
        lines.append(f"available: {', '.join(available)}")
    if group == "sparsity":
        lines.append("or a number in [0, 1), the fraction of weights removed: sparsity=0.9")
    if group == "controls":
        lines.append("several are a list, controls=[random_mask,invert]; none is an empty one, controls=[]")
    if group.startswith("hydra"):
        lines.append("launchers are installed as extras, such as: pip install 'lth-cli[joblib]'")
    return "\n     ".join(lines)


def _unknown_key(key: str, arguments: Sequence[str]) -> str:
    """Among the keys of the options that were chosen."""
    chosen = [text for text in arguments if re.fullmatch(rf"\+?(?!{re.escape(key)}=)\w+=[\w-]+", text)]
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            config = hydra.compose("config", chosen)
        except (HydraException, OmegaConfBaseException):
            config = hydra.compose("config")
    known = list(_keys(OmegaConf.to_container(config)))
    if key in known and any(text.startswith(f"+{key}=") for text in arguments):
        return f"{key}{_LEAVE_OUT}"
    head, _, tail = key.rpartition(".")
    siblings = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == head]
    inner = [name for name in known if name.rpartition(".")[2] == key]  # lr is train.lr
    guess = (
        nearest(inner[0], inner)
        if inner
        else nearest(key, known) or nearest(tail, [name.rpartition(".")[2] for name in known])
    )
    listed = f"\n     keys{f' of {head}' if head else ''}: {', '.join(siblings)}" if siblings else ""
    return f"{key}: there is no such key{guess}{listed}"


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        yield f"{prefix}{key}"
        yield from _keys(value, f"{prefix}{key}.")
