"""The command line of `lth run` -> options and overrides -> the checked config of every job."""

import math
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli.command import overrides
from lth_cli.command.foreign import foreign
from lth_cli.command.resume import check_config, check_rounds, grows
from lth_cli.core.spelling import brief, nearest
from lth_cli.rundir.intact import reopen
from lth_cli.setup.conf import conf_dir
from lth_cli.setup.schema import Config, ConfigError, check

_MOST_CHECKED = 256  # jobs of a sweep whose config is composed and checked before the first one starts
_MOST_VALUES = 10_000  # of one YAML file, its aliases written out


@dataclass(frozen=True)
class Line:
    """A command line.

    Args:
        options: as Hydra's parser has them.
        flags: the options as they were typed.
        overrides: rewritten, so that Hydra takes them.
    """

    options: Namespace
    flags: list[str]
    overrides: list[str]

    @property
    def sweep(self) -> bool:
        return bool(self.options.multirun) or "hydra.mode=MULTIRUN" in self.overrides

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
    for text in options.overrides:
        if text.startswith("~") and text.lstrip("~").partition("=")[0] in (field.name for field in fields(Config)):
            raise ConfigError(f"{text}: a run needs every key of the config")
        if "=" not in text and not text.startswith("~"):
            raise ConfigError(f"{text}: overrides are written key=value{nearest(text, known)}")
    if options.config_dir is not None and not Path(options.config_dir).is_dir():
        raise ConfigError(f"--config-dir={options.config_dir}: there is no such folder")
    return Line(options, _without(arguments, options.overrides), overrides.rewrite(options.overrides))


def checked(line: Line, resumed: Path | None) -> DictConfig:
    """Compose and check the config of every job before any folder is made; return the first one.

    Args:
        resumed: the run or sweep that is to go on, whose config must be the same.

    Raises:
        ConfigError, HydraException, OmegaConfBaseException: the config is wrong.
        Damaged: what is to go on cannot be read.
    """
    search = []
    if line.options.config_path is not None:
        raise ConfigError(f"--config-path={line.options.config_path}: lth has its own; add yours with --config-dir")
    if found := [text for text in line.overrides if "searchpath" in text.partition("=")[0] and "pkg:" in text]:
        raise ConfigError(f"{found[0]}: a package is imported when it is searched; give a folder with --config-dir")
    if line.options.config_dir is not None:
        _refuse_bombs(Path(line.options.config_dir))
        folder = f"file://{Path(line.options.config_dir).resolve()}"
        search = [f"hydra.searchpath=[{QuotedString(folder, Quote.single).with_quotes()}]"]
    first: DictConfig | None = None
    keys = overrides.swept(line.overrides) if line.sweep else []
    imported = dict[str, str]()
    _refuse_twins(line.overrides if line.sweep else [])
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for job in islice(overrides.jobs(line.overrides) if line.sweep else [line.overrides], _MOST_CHECKED):
            try:
                config = hydra.compose(line.options.config_name or "config", [*job, *search], return_hydra_config=True)
                check(config)
                text = OmegaConf.to_yaml(without(config, "resume", "hydra"), resolve=True)
                text.encode()
                imported |= foreign(config)
            except (ConfigError, HydraException):
                raise
            except OmegaConfBaseException as error:
                words = (str(error).strip().splitlines() or [""])[0]
                raise ConfigError(f"{error.full_key}: {words}" if error.full_key else words) from error
            except AssertionError as error:  # of Hydra, for an override without a key
                raise ConfigError(f"{' '.join(job)}: overrides are written key=value") from error
            except Exception as error:  # model=3 is a ValueError, broken YAML of the user's an error of PyYAML, …
                mark = getattr(error, "problem_mark", None)
                where = (" ".join(job) or "config") if mark is None else f"{mark.name}, line {mark.line + 1}"
                raise ConfigError(f"{where}: {first_line(error)}") from error
            if resumed is not None:
                run = resumed / overrides.job_name(job, keys) if line.sweep else resumed
                check_config(run, text)
                if line.sweep and grows(run, text):
                    _check_growth(run, without(config, "resume", "hydra"))
            first = config if first is None else first
    if first is None:
        raise ConfigError("the sweep has no jobs")
    for key, target in imported.items():
        print(brief(f"lth: {key} imports {target}"), file=sys.stderr)
    return first


def _check_growth(run: Path, config: DictConfig) -> None:
    """A sweep grows as a whole or not at all: its runs are asked before any of them works."""
    import torch

    from lth_cli.setup.build import build

    torch.set_flush_denormal(True)  # as `run` does, before `build` starts threads that the jobs will use, too
    check_rounds(reopen(run), build(config, {}).way.search.keep)


def without(config: DictConfig, *keys: str) -> DictConfig:
    """A config without some of its keys."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key not in keys])


def quoted(key: str, value: str) -> str:
    """An override that gives a key just this text."""
    return f"{key}={QuotedString(value, Quote.single).with_quotes()}"


def first_line(error: Exception) -> str:
    """The kind of an error and the first line of its text."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _refuse_bombs(folder: Path) -> None:
    """A few lines of aliases may stand for more values than there is memory: no file of the folder may hold such."""
    for file in (file for depth in ("*", "*/*", "*/*/*") for file in sorted(folder.glob(f"{depth}.yaml"))):
        try:
            text = file.read_text()
            if "*" in text and _size(yaml.compose(text, yaml.SafeLoader), {}) > _MOST_VALUES:
                raise ConfigError(f"{file}: its aliases stand for more than {_MOST_VALUES:,} values")
        except (OSError, ValueError, RecursionError, yaml.YAMLError):
            continue  # junk, which is an error where it is chosen


def _size(node: Any, sizes: dict[int, float]) -> float:
    """Values under a node of YAML, each counted as often as it is named; infinite where it holds itself."""
    if id(node) not in sizes:
        sizes[id(node)] = math.inf
        inner = node.value if isinstance(node, yaml.SequenceNode | yaml.MappingNode) else []
        parts = [part for item in inner for part in (item if isinstance(item, tuple) else (item,))]
        sizes[id(node)] = 1 + sum(_size(part, sizes) for part in parts)
    return sizes[id(node)]


def _refuse_twins(rewritten: list[str]) -> None:
    """Two jobs of a sweep must not have one name, and so one folder."""
    keys, seen = overrides.swept(rewritten), set[str]()
    for job in islice(overrides.jobs(rewritten), _MOST_CHECKED):
        name = overrides.job_name(job, keys)
        if name in seen:
            raise ConfigError(f"{name}: this sweep has the same job twice")
        seen.add(name)


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
