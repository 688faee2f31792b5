"""`lth run`: hand a checked command line to Hydra, and turn what goes wrong into a message and an exit code."""

import os
import re
import shlex
import sys
import traceback
from argparse import Namespace
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli import overrides
from lth_cli.config import ConfigError, check, conf_dir, nearest
from lth_cli.rundir.files import discard, free_dir

OmegaConf.register_new_resolver("lth.job_name", overrides.job_name, replace=True)

_MOST_CHECKED = 256  # jobs of a sweep whose config is composed and checked before the first one starts
_outcome: list[Exception] = []  # what stopped the run of this process; a sweep's jobs tell through their run.json


def launch(arguments: Sequence[str]) -> int:
    """Run `lth run ARGUMENTS` and return the exit code."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra raises instead of printing and exiting
    try:
        return _launch(list(arguments))
    except (ConfigError, HydraException, OmegaConfBaseException, OSError) as error:
        if wants_traceback:
            traceback.print_exc()
        print(f"lth: {explain(error)}", file=sys.stderr)
        return 2
    except Exception as error:
        if wants_traceback:
            traceback.print_exc()
        hint = "" if wants_traceback else " (HYDRA_FULL_ERROR=1 shows where)"
        print(f"lth: {type(error).__name__}: {error}{hint}", file=sys.stderr)
        return 1


def _launch(arguments: list[str]) -> int:
    options = _parse(arguments)
    rewritten = overrides.rewrite(options.overrides)
    flags = _without(arguments, options.overrides)
    if options.help or options.hydra_help or options.cfg or options.info or options.shell_completion:
        _hand_to_hydra([*flags, *rewritten])
        return 0
    sweep = options.multirun or "hydra.mode=MULTIRUN" in rewritten
    config = _checked(rewritten, sweep, options)
    key = "hydra.sweep.dir" if sweep else "hydra.run.dir"
    path = Path(free_dir(str(OmegaConf.select(config, key))))
    ours = [_quoted(key, str(path))]
    if sweep and not any(text.startswith("hydra.sweep.subdir=") for text in rewritten):
        keys = ",".join(overrides.swept(rewritten))
        ours.append(_quoted("hydra.sweep.subdir", f"${{lth.job_name:${{hydra.overrides.task}},[{keys}]}}"))
    _outcome.clear()
    try:
        _hand_to_hydra([*flags, *rewritten, *ours])
    finally:
        if not (path / ("multirun.yaml" if sweep else "run.json")).exists():
            discard(path)
    if sweep:
        from lth_cli.report.sweep import summary

        return summary(path)
    if _outcome:
        raise _outcome[0]
    return 0


def job(config: DictConfig) -> None:
    """What Hydra calls, in this process or in a worker: one run in its own folder. Never raises an Exception."""
    from rich.console import Console

    from lth_cli.run import mark_failed, run

    task = HydraConfig.get()
    path = Path(task.runtime.output_dir)
    sweep = task.mode == RunMode.MULTIRUN
    source = {
        "command": shlex.join(["lth", "run", *task.overrides.task]),
        "choices": {group: option for group, option in task.runtime.choices.items() if not group.startswith("hydra/")},
    }
    try:
        run(config, path, source, Console(), prefix=f"{path.name}: " if sweep else "", live=not sweep)
    except ConfigError as error:
        # A run on its own leaves nothing behind; in a sweep the others must be told.
        if sweep:
            mark_failed(path, config, source, error)
        _outcome.append(error)
    except Exception as error:
        _outcome.append(error)


def explain(error: Exception) -> str:
    """A few lines that name the key, the value, what is allowed and the nearest right spelling."""
    text = str(error).strip()
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if found := re.search(r"Could not find '([^']+)/([^/']+)'", text):
        return _unknown_option(found[1], found[2], text)
    if found := re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", text):
        key, values = found.groups()
        return f"{key}={values}: several values are a sweep and need -m; a list is written {key}=[{values}]"
    if found := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(found[1])
    cause = str(error.__cause__).splitlines()[0] if error.__cause__ is not None else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n     ".join([*lines[:3], *([cause] if cause and cause not in text else [])])


def _unknown_option(group: str, option: str, text: str) -> str:
    available = re.findall(r"^\t(\S+)$", text, re.MULTILINE)
    lines = [f"{group}={option}: there is no such option{nearest(option, available)}"]
    if available:
        lines.append(f"available: {', '.join(available)}")
    if group == "sparsity":
        lines.append("or a number in [0, 1), the fraction of weights removed: sparsity=0.9")
    if group.startswith("hydra"):
        lines.append("launchers are installed as extras, such as: pip install 'lth-cli[joblib]'")
    return "\n     ".join(lines)


def _unknown_key(key: str) -> str:
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        known = list(_keys(OmegaConf.to_container(hydra.compose("config"))))
    head, _, tail = key.rpartition(".")
    siblings = [name for name in known if name.rpartition(".")[0] == head]
    guess = nearest(key, known) or nearest(tail, [name.rpartition(".")[2] for name in known])
    listed = ", ".join(name.rpartition(".")[2] for name in siblings)
    return f"{key}: there is no such key{guess}" + (
        f"\n     keys{f' of {head}' if head else ''}: {listed}" if listed else ""
    )


def _keys(node: Any, prefix: str = "") -> Iterator[str]:
    for key, value in node.items() if isinstance(node, dict) else ():
        yield f"{prefix}{key}"
        yield from _keys(value, f"{prefix}{key}.")


def _parse(arguments: list[str]) -> Namespace:
    """Hydra's own parser, with an error that suggests the nearest option."""
    parser = get_args_parser()
    known = [option for action in parser._actions for option in action.option_strings]
    known.remove("--experimental-rerun")  # reads a pickle, and a pickle can run anything
    for word in arguments:
        option = word.partition("=")[0]
        if option.startswith("-") and not any(name.startswith(option) for name in known):
            raise ConfigError(f"{option}: there is no such option{nearest(option, known)}\n     see lth run --help")

    def fail(message: str) -> None:
        raise ConfigError(f"{message}\n     see lth run --help")

    parser.error = fail  # type: ignore[assignment, method-assign]
    options = parser.parse_intermixed_args(arguments)
    for text in options.overrides:
        if "=" not in text and not text.startswith("~"):
            raise ConfigError(f"{text}: overrides are written key=value{nearest(text, known)}")
    if options.config_dir is not None and not Path(options.config_dir).is_dir():
        raise ConfigError(f"--config-dir={options.config_dir}: there is no such folder")
    return options


def _checked(rewritten: list[str], sweep: bool, options: Namespace) -> DictConfig:
    """Compose and check the config of every job before any folder is made; return the first one."""
    search = (
        []
        if options.config_dir is None
        else [_quoted_list("hydra.searchpath", f"file://{Path(options.config_dir).resolve()}")]
    )
    first: DictConfig | None = None
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for job in islice(overrides.jobs(rewritten) if sweep else [rewritten], _MOST_CHECKED):
            try:
                config = hydra.compose(options.config_name or "config", [*job, *search], return_hydra_config=True)
            except ValueError as error:  # such as model=3
                raise ConfigError(f"{' '.join(job)}: {error}") from None
            check(config)
            first = config if first is None else first
    if first is None:
        raise ConfigError("the sweep has no jobs")
    return first


def _hand_to_hydra(arguments: list[str]) -> None:
    sys.argv = ["lth run", *arguments]
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(job)()


def _without(arguments: list[str], overrides: list[str]) -> list[str]:
    """The options, with their values, in their order."""
    rest = list(overrides)
    flags = []
    for word in arguments:
        if word in rest:
            rest.remove(word)
        else:
            flags.append(word)
    return flags


def _quoted(key: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"{key}='{escaped}'"


def _quoted_list(key: str, value: str) -> str:
    return _quoted(key, value).replace("='", "=['") + "]"
