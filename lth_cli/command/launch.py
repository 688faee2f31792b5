"""`lth run`: hand a checked command line to Hydra, and turn what goes wrong into a message and an exit code."""

import contextlib
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli.command import overrides, resume, sweep
from lth_cli.command.check import checked
from lth_cli.command.explain import explain, failure, first_line
from lth_cli.command.job import spin_less, task
from lth_cli.command.line import Line, parse
from lth_cli.core.signals import Signals
from lth_cli.core.spelling import brief, say
from lth_cli.core.streams import give_up_stdout
from lth_cli.rundir import names
from lth_cli.rundir.folders import Busy, Folder, discard, free_dir, sole_writer
from lth_cli.rundir.read import Damaged
from lth_cli.rundir.within import refuse_odd
from lth_cli.setup.conf import conf_dir
from lth_cli.setup.schema import ConfigError


def launch(arguments: Sequence[str]) -> int:
    """Run `lth run ARGUMENTS` and return the exit code."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        with _process_as_it_was(), Signals().in_order():
            spin_less()
            os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra raises instead of printing and exiting
            return _launch(list(arguments))
    except (ConfigError, HydraException, OmegaConfBaseException, OSError, Busy, Damaged) as error:
        if isinstance(error, OSError) and error.filename is None and error.errno is not None:  # of no file, as stdout
            raise
        if wants_traceback:
            traceback.print_exc()
        say(brief(f"lth: {explain(error, arguments)}"), file=sys.stderr)
        return 2
    except JobFailed as failed:
        if wants_traceback:
            traceback.print_exception(failed.error)
        text = failure(failed.error) or f"{first_line(failed.error)} (HYDRA_FULL_ERROR=1 shows where)"
        say(f"{brief(f'lth: {text}')}{_to_go_on(failed.path)}", file=sys.stderr)
        if isinstance(failed.error, OSError) and failed.error.filename is None:
            give_up_stdout()
        return 1


class JobFailed(Exception):
    """The work itself went wrong, after the config was found right."""

    def __init__(self, error: Exception, path: Path) -> None:
        self.error, self.path = error, path


def _launch(arguments: list[str]) -> int:
    _refuse_nowhere()
    line = parse(arguments)
    old = _to_resume(line)
    if old is not None:
        line = _on_top(old, line)
    options, words = line.options, [*line.flags, *line.overrides]
    if options.shell_completion:
        return _complete(words)
    if options.help or options.hydra_help or options.cfg or options.info:
        _show(words)
        return 0
    config = checked(line, old)
    key = "hydra.sweep.dir" if line.sweep else "hydra.run.dir"
    wanted = str(OmegaConf.select(config, key))
    if Path(wanted).name in ("", ".."):
        raise ConfigError(f"{key}={wanted}: the name of a new folder")
    folder = free_dir(wanted) if old is None else Folder(old)
    path, work = folder.path, _sweep if line.sweep else _run
    try:
        with sole_writer(path) as note:
            if note is not None:
                say(brief(f"lth: {note}", lines=1), file=sys.stderr)
            return work(folder, line, [*words, overrides.quoted(key, str(path))], old is not None)
    except KeyboardInterrupt as error:
        raise type(error)(_to_go_on(path)) from None
    finally:
        if old is None and not _is_begun(path):
            discard(folder)


def _refuse_nowhere() -> None:
    """Paths are resolved here and there, by Hydra too, which all fail where the working directory was removed."""
    try:
        os.getcwd()
    except OSError:
        raise ConfigError("the working directory was removed: change to one that is there") from None


def _run(folder: Folder, line: Line, words: list[str], resumed: bool) -> int:
    """One run in `folder`, whose lock we hold."""
    stopped = list[Exception]()
    try:
        _hand_to_hydra(words, task(resumed, stopped))
    except ValueError as wrong:  # of logging, which Hydra sets up
        raise ConfigError(f"Hydra cannot begin: {first_line(wrong)}: {wrong.__cause__ or ''}") from wrong
    for error in stopped:
        raise error if isinstance(error, ConfigError | Damaged) else JobFailed(error, folder.path)
    return 0


def _sweep(folder: Folder, line: Line, words: list[str], resumed: bool) -> int:
    """A sweep in `folder`, whose lock we hold."""
    expected = sum(1 for _ in overrides.jobs(line.overrides))
    theirs = any(text.startswith(("hydra.sweep.subdir=", "hydra/sweeper=")) for text in line.overrides)
    names_known = [] if theirs else overrides.known_names(line.overrides)
    resume.record_sweep(folder.path, line.portable(), expected, names_known)
    if not any(text.startswith("hydra.sweep.subdir=") for text in line.overrides):
        keys = ",".join(overrides.swept(line.overrides))
        subdir = f"${{lth.job_name:${{hydra.overrides.task}},[{keys}]}}"
        words = [*words, overrides.quoted("hydra.sweep.subdir", subdir)]
    stopped = list[Exception]()
    try:
        _hand_to_hydra(words, task(resumed, stopped))
    except Exception as error:
        if not (folder.path / names.HYDRA_SWEEP).exists():
            raise
        # A launcher whose worker was killed: the jobs that ended tell for themselves.
        say(f"lth: the launcher stopped: {first_line(error)}", file=sys.stderr)
        sweep.end(folder, 0, ours=not resumed)
        return 1
    return sweep.end(folder, expected, ours=not resumed) or (1 if stopped else 0)


def _to_resume(line: Line) -> Path | None:
    """The folder that `resume=` names."""
    if not line.resume:
        return None
    if len(line.resume) > 1 or line.resume[0] == "" or not Path(line.resume[0]).is_dir():
        raise ConfigError(f"resume={','.join(line.resume)}: the folder of a run or a sweep")
    refuse_odd(Path(line.resume[0]))
    return Path(line.resume[0])


def _on_top(path: Path, line: Line) -> Line:
    """The command line of a run or sweep on disk, with the one typed now on top of it."""
    arguments, is_sweep = resume.command(path)
    if line.sweep and not is_sweep:
        raise ConfigError(f"resume={path}: a run, not a sweep: leave out -m")
    before = parse(arguments)
    merged = parse([*before.flags, *line.flags, *overrides.merge(before.overrides, line.overrides)])
    if merged.sweep != is_sweep:  # it would begin anew, beside what is there
        raise ConfigError(f"resume={path}: a {'sweep' if is_sweep else 'run'}, but its command is not that of one")
    resume.refuse_steering(path, before, line, merged)
    return merged


def _to_go_on(path: Path) -> str:
    return f"\n     to go on: lth run resume={shlex.quote(str(path))}" if _is_begun(path) else ""


def _is_begun(path: Path) -> bool:
    return any((path / name).exists() for name in (names.RECORD, names.ROUNDS, names.HYDRA_SWEEP))


def _complete(words: list[str]) -> int:
    """Completion of `lth run …` by Hydra, which knows of no subcommands, and which must never print an error."""
    line = os.environ.get("COMP_LINE", "").replace(" run ", " ", 1)
    os.environ.update(COMP_LINE=line, COMP_POINT=str(len(line)))
    with contextlib.suppress(Exception), contextlib.redirect_stderr(None):
        _hand_to_hydra(words, task(False, []))
    return 0


def _show(words: list[str]) -> None:
    """What Hydra only shows: help, a config, or how it was composed."""
    try:
        _hand_to_hydra(words, task(False, []))
    except (HydraException, OmegaConfBaseException, OSError):
        raise
    except Exception as error:  # such as a --package that is none
        raise ConfigError(f"{' '.join(words)}: {first_line(error)}") from error


def _hand_to_hydra(words: list[str], call: Callable[[DictConfig], None]) -> None:
    sys.argv = ["lth run", *words]
    hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(call)()


@contextlib.contextmanager
def _process_as_it_was() -> Iterator[None]:
    """Leave the environment and sys.argv, by which Hydra is told things, as they were before."""
    argv, environment = sys.argv, dict(os.environ)
    try:
        yield
    finally:
        sys.argv = argv
        for name in os.environ.keys() | environment.keys():
            if name not in environment:
                del os.environ[name]
            elif os.environ.get(name) != environment[name]:
                os.environ[name] = environment[name]
