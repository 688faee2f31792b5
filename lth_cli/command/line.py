"""The command line of `lth run` -> options and overrides."""

import re
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from shlex import join

from hydra._internal.utils import get_args_parser

from lth_cli.command import overrides
from lth_cli.command.paths import plain_paths
from lth_cli.core.spelling import nearest
from lth_cli.rundir.command import take_apart
from lth_cli.setup.schema import Config, ConfigError

_SWEEP = "hydra.mode=MULTIRUN"


@dataclass(frozen=True)
class Line:
    """A command line.

    Args:
        options: as Hydra's parser has them.
        flags: the options as they were typed.
        overrides: rewritten, so that Hydra takes them; `resume=` is not among them.
        resume: what `resume=` names, each time that it is there, as it was typed: a path needs no quotes of Hydra's.
    """

    options: Namespace
    flags: list[str]
    overrides: list[str]
    resume: list[str]

    @property
    def sweep(self) -> bool:
        return bool(self.options.multirun) or _SWEEP in self.overrides

    def portable(self) -> list[str]:
        """The arguments that mean the same in any folder."""
        folder, name = self.options.config_dir, self.options.config_name
        flags = [
            *(["-m"] if self.sweep else []),
            *([f"--config-dir={Path(folder).resolve()}"] if folder is not None else []),
            *([f"--config-name={name}"] if name is not None else []),
        ]
        return [*flags, *self.overrides]


def parse(arguments: Sequence[str]) -> Line:
    """Hydra's own parser, with an error that suggests the nearest option.

    Raises:
        ConfigError: an option or override that is none.
    """
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
    options = parser.parse_intermixed_args(list(arguments))
    _refuse_modes(options)
    for text in options.overrides:
        if text.startswith("~") and text.lstrip("~").partition("=")[0] in (field.name for field in fields(Config)):
            raise ConfigError(f"{text}: a run needs every key of the config")
        if re.match(r"[+~]*hydra\.mode\b", text) and text not in ("hydra.mode=RUN", _SWEEP):
            raise ConfigError(f"{text}: hydra.mode=RUN or {_SWEEP}")
        if "=" not in text and not text.startswith("~"):
            raise ConfigError(f"{text}: overrides are written key=value{nearest(text, known)}")
    if options.config_dir is not None and not Path(options.config_dir).is_dir():
        raise ConfigError(f"--config-dir={options.config_dir}: there is no such folder")
    resume = [text for text in options.overrides if text.lstrip("+").startswith("resume=")]
    others = [text for text in options.overrides if text not in resume]
    return Line(
        options,
        _without(arguments, options.overrides),
        overrides.rewrite(plain_paths(others)),
        [text.partition("=")[2] for text in resume],
    )


def refuse_long(line: Line) -> None:
    """Refuse, before any work, what could not go on later, as its record would not be read.

    Raises:
        ConfigError: it is too long.
    """
    try:
        take_apart(join(line.portable()))
    except ValueError as error:
        raise ConfigError(f"no command that could go on: {error}; many seeds are seed=range(5000)") from None


def _refuse_modes(options: Namespace) -> None:
    """What Hydra refuses with a traceback."""
    modes = {"--run": options.run, "-m": options.multirun, "--cfg": options.cfg, "--info": options.info}
    if len(given := [flag for flag, value in modes.items() if value]) > 1:
        raise ConfigError(f"{' '.join(given)}: only one of {', '.join(modes)}")
    if options.resolve and not options.cfg and not options.help:
        raise ConfigError("--resolve: only with --cfg or --help")


def _without(arguments: Sequence[str], overrides: list[str]) -> list[str]:
    """The options, with their values, in their order."""
    rest = list(overrides)
    flags = []
    for word in arguments:
        if word in rest:
            rest.remove(word)
        else:
            flags.append(word)
    return flags
