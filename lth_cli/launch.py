"""`lth run`: hand a checked command line to Hydra, and turn what goes wrong into a message and an exit code."""

import contextlib
import os
import shlex
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import fields
from itertools import islice
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from lth_cli import overrides
from lth_cli.config import Config, ConfigError, check, conf_dir
from lth_cli.explain import explain
from lth_cli.report.sweep import summary
from lth_cli.rundir.files import discard, free_dir
from lth_cli.spelling import nearest

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
        print(f"lth: {explain(error, arguments)}", file=sys.stderr)
        return 2
    except JobFailed as failure:
        if wants_traceback:
            traceback.print_exception(failure.error)
        hint = "" if wants_traceback else " (HYDRA_FULL_ERROR=1 shows where)"
        print(f"lth: {type(failure.error).__name__}: {failure.error}{hint}", file=sys.stderr)
        return 1


class JobFailed(Exception):
    """The work itself went wrong, after the config was found right."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _launch(arguments: list[str]) -> int:
    options = _parse(arguments)
    rewritten = overrides.rewrite(options.overrides)
    flags = _without(arguments, options.overrides)
    if options.shell_completion:
        return _complete([*flags, *rewritten])
    if options.help or options.hydra_help or options.cfg or options.info:
        _hand_to_hydra([*flags, *rewritten])
        return 0
    sweep = options.multirun or "hydra.mode=MULTIRUN" in rewritten
    config = _checked(rewritten, sweep, options)
    key = "hydra.sweep.dir" if sweep else "hydra.run.dir"
    wanted = str(OmegaConf.select(config, key))
    if Path(wanted).name in ("", ".."):
        raise ConfigError(f"{key}={wanted}: the name of a new folder")
    path = Path(free_dir(wanted))
    ours = [_quoted(key, str(path))]
    if sweep and not any(text.startswith("hydra.sweep.subdir=") for text in rewritten):
        keys = ",".join(overrides.swept(rewritten))
        ours.append(_quoted("hydra.sweep.subdir", f"${{lth.job_name:${{hydra.overrides.task}},[{keys}]}}"))
    _outcome.clear()
    try:
        _hand_to_hydra([*flags, *rewritten, *ours])
    except Exception as error:
        if not (sweep and (path / "multirun.yaml").exists()):
            raise
        # A launcher whose worker was killed: the jobs that ended tell for themselves.
        print(f"lth: the launcher stopped: {_first_line(error)}", file=sys.stderr)
        summary(path, 0)
        return 1
    finally:
        if not (path / ("multirun.yaml" if sweep else "run.json")).exists():
            discard(path)
    if sweep:
        return summary(path, expected=sum(1 for _ in overrides.jobs(rewritten)))
    if _outcome:
        raise _outcome[0] if isinstance(_outcome[0], ConfigError) else JobFailed(_outcome[0])
    return 0


def job(config: DictConfig) -> None:
    """What Hydra calls, in this process or in a worker: one run in its own folder."""
    if "OMP_WAIT_POLICY" not in os.environ:
        # Before torch loads it: OpenMP's threads spin for each other, so that a run is many times slower where another
        # process has one of the cores. Spinning less helps there, and costs nothing measurable on an idle machine.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from lth_cli.run import mark_unstarted, run

    task = HydraConfig.get()
    path = Path(task.runtime.output_dir)
    sweep = task.mode == RunMode.MULTIRUN
    own = [f"--config-dir={source.path}" for source in task.runtime.config_sources if source.provider == "command-line"]
    choices = {group: option for group, option in task.runtime.choices.items() if not group.startswith("hydra/")}
    source = {
        "command": shlex.join(["lth", "run", *own, *task.overrides.task]),
        "choices": {**choices, "controls": ",".join(config.controls)},  # Hydra does not name the choices of a list
    }
    try:
        run(config, path, source, _Console(), prefix=f"{path.name}: " if sweep else "", live=not sweep)
    except (Exception, KeyboardInterrupt) as error:
        # A run on its own leaves nothing behind if no work was done; in a sweep the others must be told.
        if sweep and not (path / "run.json").exists():
            mark_unstarted(path, config, source, error)
        if isinstance(error, KeyboardInterrupt):
            raise
        _outcome.append(error)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Go on without a reader: `lth run | head` must not lose the run."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complete(arguments: list[str]) -> int:
    """Completion of `lth run …` by Hydra, which knows of no subcommands, and which must never print an error."""
    line = os.environ.get("COMP_LINE", "").replace(" run ", " ", 1)
    os.environ.update(COMP_LINE=line, COMP_POINT=str(len(line)))
    with contextlib.suppress(Exception), contextlib.redirect_stderr(None):
        _hand_to_hydra(arguments)
    return 0


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
        if text.startswith("~") and text.lstrip("~").partition("=")[0] in (field.name for field in fields(Config)):
            raise ConfigError(f"{text}: a run needs every key of the config")
        if "=" not in text and not text.startswith("~"):
            raise ConfigError(f"{text}: overrides are written key=value{nearest(text, known)}")
    if options.config_dir is not None and not Path(options.config_dir).is_dir():
        raise ConfigError(f"--config-dir={options.config_dir}: there is no such folder")
    return options


def _checked(rewritten: list[str], sweep: bool, options: Namespace) -> DictConfig:
    """Compose and check the config of every job before any folder is made; return the first one."""
    search = []
    if options.config_dir is not None:
        folder = QuotedString(f"file://{Path(options.config_dir).resolve()}", Quote.single).with_quotes()
        search = [f"hydra.searchpath=[{folder}]"]
    first: DictConfig | None = None
    _refuse_twins(rewritten if sweep else [])
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        for job in islice(overrides.jobs(rewritten) if sweep else [rewritten], _MOST_CHECKED):
            try:
                config = hydra.compose(options.config_name or "config", [*job, *search], return_hydra_config=True)
            except (HydraException, OmegaConfBaseException):
                raise
            except Exception as error:  # model=3 is a ValueError, broken YAML of the user's an error of PyYAML, …
                mark = getattr(error, "problem_mark", None)
                where = " ".join(job) if mark is None else f"{mark.name}, line {mark.line + 1}"
                raise ConfigError(f"{where}: {_first_line(error)}") from error
            check(config)
            first = config if first is None else first
    if first is None:
        raise ConfigError("the sweep has no jobs")
    return first


def _refuse_twins(rewritten: list[str]) -> None:
    """Two jobs of a sweep must not have one name, and so one folder."""
    keys, seen = overrides.swept(rewritten), set[str]()
    for job in islice(overrides.jobs(rewritten), _MOST_CHECKED):
        name = overrides.job_name(job, keys)
        if name in seen:
            raise ConfigError(f"{name}: this sweep has the same job twice")
        seen.add(name)


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


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


def _quoted(key: str, value: str) -> str:
    return f"{key}={QuotedString(value, Quote.single).with_quotes()}"
