"""Whether a command line can do its work: the config of every job is checked before the first one starts."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from lth_cli.command import overrides
from lth_cli.command.begun import as_begun
from lth_cli.command.bombs import calls, leads_out, refuse_bombs
from lth_cli.command.compose import Composed, Composer, split, without
from lth_cli.command.explain import first_line
from lth_cli.command.foreign import foreign, known, resolved_targets, tell
from lth_cli.command.line import Line
from lth_cli.command.own_code import make_importable
from lth_cli.command.resume import check_config, check_rounds
from lth_cli.core.counts import Counts
from lth_cli.core.spelling import say
from lth_cli.rundir.config import refuse_long_keys
from lth_cli.rundir.intact import reopen
from lth_cli.setup.conf import conf_dir
from lth_cli.setup.schema import Config, ConfigError
from lth_cli.setup.unresolved import unresolved
from lth_cli.setup.values import check


def checked(line: Line, resumed: Path | None) -> tuple[DictConfig, set[str]]:
    """Compose and check the config of every job before any folder is made.

    Returns:
        The first one, with Hydra's node, and the targets that the user was told of.

    Args:
        resumed: the run or sweep that is to go on, whose config must be the same.

    Raises:
        ConfigError, HydraException, OmegaConfBaseException: the config is wrong.
        Damaged: what is to go on cannot be read.
    """
    imported, keeps = dict[str, str](), dict[str, Sequence[Counts]]()
    with _composer(line) as composer:
        jobs = list(overrides.jobs(line.overrides, composer.loader)) if line.sweep else [line.overrides]
        names = _names(line, jobs)
        if not jobs:
            raise ConfigError("the sweep has no jobs")
        with _named(jobs[0]):
            first = composer.whole(jobs[0])
        if line.sweep:
            _check_subdir(first)
            imported |= _of_sweep(line, composer)
        for job, folder_name in zip(jobs, names, strict=True):
            with _named(job):
                composed = composer.job(job) if line.sweep else split(first)
                _check_values(composed.config)
                named = {**composed.hydra, **resolved_targets(composed.config)}
                imported |= foreign(named, composed.config.safe)
                _check_steered(composed, composed.config.safe)
                make_importable(composed.config, line.options.config_dir)
            if resumed is not None:
                as_begun(resumed / folder_name, composed.config, job)
                grows = check_config(resumed / folder_name, OmegaConf.to_yaml(composed.config, resolve=True))
                if grows and line.sweep:
                    _check_growth(resumed / folder_name, composed.config, keeps)
    tell(imported)
    if line.sweep and not overrides.swept(line.overrides) and not first.hydra.sweeper.get("params"):
        say("lth: -m: no key has several values, so nothing is swept: this is one job", file=sys.stderr)
    return first, set(imported.values())


def check_shown(line: Line) -> None:
    """The same for a command line of which Hydra only shows something; for its help it sets up logging.

    Raises:
        ConfigError, HydraException, OmegaConfBaseException: as of `checked`.
    """
    with _composer(line) as composer:
        if line.options.help or line.options.hydra_help:
            with _named(line.overrides):
                whole = composer.whole(line.overrides)
            tell(foreign(split(whole).hydra, safe=bool(OmegaConf.select(whole, "safe"))))


@contextmanager
def _composer(line: Line) -> Iterator[Composer]:
    """What composes a command line, after a look at all that it may choose."""
    _refuse_outside(line)
    name, folder = line.options.config_name or "config", line.options.config_dir
    if folder is not None:
        refuse_bombs(Path(folder), [*line.overrides, name])
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        yield Composer(name, folder)


def _refuse_outside(line: Line) -> None:
    """Of configs from packages, which are imported when they are searched, and of files that are not below a folder."""
    name, path = line.options.config_name or "", line.options.config_path
    if path is not None:
        raise ConfigError(f"--config-path={path}: lth has its own; add yours with --config-dir")
    if found := [text for text in line.overrides if "searchpath" in text.partition("=")[0] and "pkg:" in text]:
        raise ConfigError(f"{found[0]}: a package is imported when it is searched; give a folder with --config-dir")
    if leads_out(name) or Path(name).is_absolute():
        raise ConfigError(f"--config-name={name}: the name of a file; add its folder with --config-dir")
    for text, option in overrides.chosen(line.overrides, _is_group):
        if leads_out(option) or calls(option):
            raise ConfigError(f"{text}: the name of an option; add a folder of yours with --config-dir")


def _is_group(key: str) -> bool:
    """Whether a key is that of a config group, and not of a value."""
    return "." not in key and (key not in (one.name for one in fields(Config)) or (conf_dir() / key).is_dir())


def _names(line: Line, jobs: list[list[str]]) -> list[str]:
    """The folder of each job within its sweep; two of one name would share it."""
    if not line.sweep:
        return [""]
    keys, names = overrides.swept(line.overrides), dict[str, None]()
    for job in jobs:
        name = overrides.job_name(job, keys)
        if name in names:
            raise ConfigError(f"{name}: this sweep has the same job twice")
        names[name] = None
    return list(names)


def _of_sweep(line: Line, composer: Composer) -> dict[str, str]:
    """What the sweep itself has imported: of what is swept, its config has the defaults, which no job need have."""
    with _named(line.overrides):
        sweep = composer.whole(line.overrides, RunMode.MULTIRUN)
    sweeper = OmegaConf.to_container(sweep.hydra.sweeper)
    if isinstance(sweeper, dict) and sweeper.get("params") and str(sweeper.get("_target_")) in known():
        raise ConfigError("hydra.sweeper.params: what is swept is said on the command line")
    composed, safe = split(sweep), bool(sweep.safe) or overrides.says_yes(line.overrides, "safe")
    _check_steered(composed, safe)
    return foreign(composed.hydra, safe)


def _check_steered(composed: Composed, safe: bool) -> None:
    if safe and composed.steered:
        key, value = next(iter(composed.steered.items()))
        raise ConfigError(f"{key}={value}: safe=true keeps to the folder and the environment of the run")


def _check_subdir(config: DictConfig) -> None:
    """As far as it can be known before Hydra resolves it for each job, which then looks once more."""
    subdir = str(OmegaConf.to_container(config.hydra.sweep, resolve=False)["subdir"])  # type: ignore[index, call-overload]
    parts = [part for part in Path(subdir).parts if part != "."]
    if not parts or ".." in parts or Path(subdir).is_absolute():
        raise ConfigError(f"hydra.sweep.subdir={subdir}: the name of a folder within the sweep")


def _check_values(config: DictConfig) -> None:
    """Also that each can be resolved, without `resume`, which no run records: it is taken out."""
    check(config)
    if config.resume is not None:
        raise ConfigError(f"resume={config.resume}: to go on is asked for on the command line, not in YAML")
    with open_dict(config):
        del config["resume"]
    try:
        plain = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(unresolved(config, error)) from None
    assert isinstance(plain, dict)
    for key, found in _mixed(plain):
        raise ConfigError(f"{key}: its keys are of several kinds, {found}: what is recorded needs them of one")
    refuse_long_keys(plain)


def _mixed(node: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Each key whose own keys have no order among them, as 1 and b, and these."""
    if isinstance(node, dict) and len(set(map(type, node))) > 1:
        yield at, ", ".join(map(str, node))
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from _mixed(value, f"{at}.{key}".lstrip("."))


@contextmanager
def _named(job: list[str]) -> Iterator[None]:
    """What goes wrong with the config of a job, with the key or the place that it comes from."""
    try:
        yield
    except (ConfigError, HydraException):
        raise
    except OmegaConfBaseException as error:
        words = (str(error).strip().splitlines() or [""])[0]
        raise ConfigError(f"{error.full_key}: {words}" if error.full_key else words) from error
    except AssertionError as error:  # of Hydra, for an override without a key
        raise ConfigError(f"{' '.join(job)}: overrides are written key=value") from error
    except Exception as error:  # model=3 is a ValueError, broken YAML of the user's an error of PyYAML, …
        if wrong := overrides.no_option(job):
            raise MissingConfigException(str(error), "/".join(wrong)) from error
        mark = getattr(error, "problem_mark", None)
        where = (" ".join(job) or "config") if mark is None else f"{mark.name}, line {mark.line + 1}"
        raise ConfigError(f"{where}: {first_line(error)}") from error


def _check_growth(run: Path, config: DictConfig, keeps: dict[str, Sequence[Counts]]) -> None:
    """A sweep grows as a whole or not at all: its runs are asked before any of them works.

    Args:
        keeps: what the rounds keep, by config without its seed, on which it does not depend; filled here.
    """
    import torch

    from lth_cli.setup.build import build

    config = without(config)
    config.seed = 0
    text = OmegaConf.to_yaml(config, resolve=True)
    if text not in keeps:
        torch.set_flush_denormal(True)  # as `run` does, before `build` starts threads that the jobs will use, too
        keeps[text] = build(config, {}).way.search.keep
    check_rounds(reopen(run), keeps[text])
