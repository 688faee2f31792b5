"""`lth run`: hand a checked command line to Hydra, and turn what goes wrong into a message and an exit code."""

import contextlib
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console

from lth_cli.command import overrides, resume
from lth_cli.command.compose import Line, checked, first_line, parse, quoted, without
from lth_cli.command.explain import explain, failure
from lth_cli.core.signals import Signals
from lth_cli.core.spelling import brief
from lth_cli.report.sweep import summary
from lth_cli.rundir import names
from lth_cli.rundir.folders import Busy, Folder, discard, free_dir, sole_writer
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.read import Damaged
from lth_cli.setup.conf import conf_dir
from lth_cli.setup.schema import ConfigError

OmegaConf.register_new_resolver("lth.job_name", overrides.job_name, replace=True)

_outcome: list[Exception] = []  # what stopped the run of this process; a sweep's jobs tell through their run.json


def launch(arguments: Sequence[str]) -> int:
    """Run `lth run ARGUMENTS` and return the exit code."""
    _spin_less()
    asked = os.environ.get("HYDRA_FULL_ERROR")
    wants_traceback = asked == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra raises instead of printing and exiting
    try:
        with Signals().in_order():
            return _launch(list(arguments))
    except (ConfigError, HydraException, OmegaConfBaseException, OSError, Busy, Damaged) as error:
        if wants_traceback:
            traceback.print_exc()
        print(brief(f"lth: {explain(error, arguments)}"), file=sys.stderr)
        return 2
    except JobFailed as failed:
        if wants_traceback:
            traceback.print_exception(failed.error)
        text = failure(failed.error) or f"{first_line(failed.error)} (HYDRA_FULL_ERROR=1 shows where)"
        print(f"{brief(f'lth: {text}')}{_to_go_on(failed.path)}", file=sys.stderr)
        return 1
    finally:
        os.environ["HYDRA_FULL_ERROR"] = asked or "0"


class JobFailed(Exception):
    """The work itself went wrong, after the config was found right."""

    def __init__(self, error: Exception, path: Path) -> None:
        self.error, self.path = error, path


def _launch(arguments: list[str]) -> int:
    line = parse(arguments)
    old = _to_resume(line)
    if old is not None:
        line = _on_top(old, line)
    options = line.options
    if options.shell_completion:
        return _complete([*line.flags, *line.overrides])
    if options.help or options.hydra_help or options.cfg or options.info:
        _hand_to_hydra([*line.flags, *line.overrides])
        return 0
    config = checked(line, old)
    key = "hydra.sweep.dir" if line.sweep else "hydra.run.dir"
    wanted = str(OmegaConf.select(config, key))
    if Path(wanted).name in ("", ".."):
        raise ConfigError(f"{key}={wanted}: the name of a new folder")
    folder = free_dir(wanted) if old is None else Folder(old)
    path = folder.path
    try:
        with sole_writer(path) as note:
            if note is not None:
                print(brief(f"lth: {note}", lines=1), file=sys.stderr)
            return _work(folder, line, [quoted(key, str(path)), *([] if old is None else [quoted("resume", str(old))])])
    except KeyboardInterrupt as error:
        raise type(error)(_to_go_on(path)) from None
    finally:
        if old is None and not _is_begun(path):
            discard(folder)


def _work(folder: Folder, line: Line, ours: list[str]) -> int:
    """Run or sweep in `folder`, whose lock we hold."""
    path = folder.path
    _outcome.clear()
    if not line.sweep:
        _hand_to_hydra([*line.flags, *line.overrides, *ours])
        if _outcome:
            raise _outcome[0] if isinstance(_outcome[0], ConfigError | Damaged) else JobFailed(_outcome[0], path)
        return 0
    resume.record_sweep(path, line.portable())
    if not any(text.startswith("hydra.sweep.subdir=") for text in line.overrides):
        keys = ",".join(overrides.swept(line.overrides))
        ours.append(quoted("hydra.sweep.subdir", f"${{lth.job_name:${{hydra.overrides.task}},[{keys}]}}"))
    expected = sum(1 for _ in overrides.jobs(line.overrides))
    try:
        _hand_to_hydra([*line.flags, *line.overrides, *ours])
    except Exception as error:
        if not (path / "multirun.yaml").exists():
            raise
        # A launcher whose worker was killed: the jobs that ended tell for themselves.
        print(f"lth: the launcher stopped: {first_line(error)}", file=sys.stderr)
        summary(folder, 0)
        return 1
    return summary(folder, expected) or (1 if _outcome else 0)


def job(config: DictConfig) -> None:
    """What Hydra calls, in this process or in a worker: one run in its own folder."""
    task = HydraConfig.get()
    path = Path(task.runtime.output_dir)
    sweep = task.mode == RunMode.MULTIRUN
    with Signals().in_order():
        try:
            with sole_writer(path) if sweep else contextlib.nullcontext():
                _run(config, path, sweep)
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            if sweep and isinstance(error, ConfigError | Busy | Damaged):
                print(brief(f"lth: {path.name}: {error}"), file=sys.stderr)
            _outcome.append(error)


def _run(config: DictConfig, path: Path, sweep: bool) -> None:
    task = HydraConfig.get()
    intact = reopen(path) if config.resume is not None else None
    config = without(config, "resume")
    if intact is not None and resume.is_complete(intact, OmegaConf.to_yaml(config, resolve=True)):
        print(f"{path} is done, and all of it is as it was written")
        return
    _spin_less()
    from lth_cli.command.run import mark_unstarted, run

    own = [f"--config-dir={source.path}" for source in task.runtime.config_sources if source.provider == "command-line"]
    own += [f"--config-name={task.job.config_name}"] if task.job.config_name != "config" else []
    typed = [text for text in task.overrides.task if not text.startswith("resume=")]
    choices = {group: option for group, option in task.runtime.choices.items() if not group.startswith("hydra/")}
    source = {
        "command": shlex.join(["lth", "run", *own, *typed]),
        "choices": {**choices, "controls": ",".join(config.controls)},  # Hydra does not name the choices of a list
    }
    try:
        run(config, path, source, _Console(), prefix=f"{path.name}: " if sweep else "", live=not sweep, intact=intact)
    except (Exception, KeyboardInterrupt) as error:
        # A run on its own leaves nothing behind if no work was done; in a sweep the others must be told.
        if sweep and not (path / names.RECORD).exists():
            mark_unstarted(path, config, source, error)
        raise


def _spin_less() -> None:
    """Before torch loads OpenMP, whose threads spin for each other, so that a run is many times slower where another
    process has one of the cores. Spinning less helps there, and costs nothing measurable on an idle machine."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _to_resume(line: Line) -> Path | None:
    """The folder that `resume=` names, as it is typed: a path needs no quotes of Hydra's."""
    named = [text.partition("=")[2] for text in line.overrides if text.startswith("resume=")]
    if not named:
        return None
    if len(named) > 1 or named[0] == "" or not Path(named[0]).is_dir():
        raise ConfigError(f"resume={','.join(named)}: the folder of a run or a sweep")
    return Path(named[0])


def _on_top(path: Path, line: Line) -> Line:
    """The command line of a run or sweep on disk, with the one typed now on top of it."""
    arguments, sweep = resume.command(path)
    if line.sweep and not sweep:
        raise ConfigError(f"resume={path}: a run, not a sweep: leave out -m")
    before = parse(arguments)
    typed = [text for text in line.overrides if not text.startswith("resume=")]
    return parse([*before.flags, *line.flags, *overrides.merge(before.overrides, typed)])


def _to_go_on(path: Path) -> str:
    return f"\n     to go on: lth run resume={shlex.quote(str(path))}" if _is_begun(path) else ""


def _is_begun(path: Path) -> bool:
    return any((path / name).exists() for name in (names.RECORD, names.ROUNDS, "multirun.yaml"))


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


def _hand_to_hydra(arguments: list[str]) -> None:
    sys.argv = ["lth run", *arguments]
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(job)()
