"""`lth run`: hand a checked command line to Hydra, and turn what goes wrong into a message and an exit code."""

import contextlib
import os
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli.command import overrides, resume, sweep
from lth_cli.command.check import check_shown, checked
from lth_cli.command.explain import explain, failure, first_line
from lth_cli.command.hydra_main import OF_HYDRA, complete, hand_to_hydra, show
from lth_cli.command.job import spin_less, task
from lth_cli.command.line import Line, parse, refuse_long
from lth_cli.command.room import check_room
from lth_cli.core.faults import lack
from lth_cli.core.files import held, identity
from lth_cli.core.signals import Signals
from lth_cli.core.spelling import brief, clean, gist, say
from lth_cli.core.streams import give_up_stdout
from lth_cli.report.terminal import meanwhile
from lth_cli.rundir import names
from lth_cli.rundir.folders import Busy, Folder, discard, free_dir, sole_writer
from lth_cli.rundir.read import Damaged
from lth_cli.rundir.within import refuse_odd
from lth_cli.setup.schema import ConfigError


def launch(arguments: Sequence[str]) -> int:
    """Run `lth run ARGUMENTS` and return the exit code."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        with _process_as_it_was(), Signals().in_order():
            spin_less()
            os.environ["HYDRA_FULL_ERROR"] = "1"  # so that Hydra raises instead of printing and exiting
            os.environ.setdefault(
                "PYTHONSAFEPATH", "1"
            )  # workers import nothing from the working directory by themselves
            return _launch(list(arguments))
    except (ConfigError, HydraException, OmegaConfBaseException, OSError, Busy, Damaged) as error:
        if lack(error) or (isinstance(error, OSError) and error.filename is None and error.errno is not None):
            raise  # not of what was typed; of no file, as stdout
        if wants_traceback:
            say(traceback.format_exc(), file=sys.stderr)
        say(brief(f"lth: {explain(error, arguments)}"), file=sys.stderr)
        return 2
    except JobFailed as failed:
        if wants_traceback:
            say("".join(traceback.format_exception(failed.error)), file=sys.stderr)
        text = failure(failed.error) or f"{first_line(failed.error)} (HYDRA_FULL_ERROR=1 shows where)"
        say(f"{brief(f'lth: {text}')}{_to_go_on(failed.path)}", file=sys.stderr)
        if isinstance(failed.error, OSError) and failed.error.filename is None and not lack(failed.error):
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
        return complete()
    if options.help or options.hydra_help or options.cfg or options.info:
        check_shown(line)
        show(words)
        return 0
    refuse_long(line)
    with meanwhile("checking the config"):
        config, said = checked(line, old)
    key = "hydra.sweep.dir" if line.sweep else "hydra.run.dir"
    wanted = str(OmegaConf.select(config, key))
    if Path(wanted).name in ("", "..") or "${" in wanted:
        raise ConfigError(f"{key}={wanted}: the name of a new folder")
    check_room()
    folder = free_dir(wanted) if old is None else Folder(old)
    path, work = folder.path, _sweep if line.sweep else _run
    try:
        with held(path) if old is not None else contextlib.nullcontext(), sole_writer(path) as note:
            if note is not None:
                say(brief(f"lth: {note}", lines=1), file=sys.stderr)
            words += [overrides.quoted(key, str(path)), *(["hydra.output_subdir=null"] if old is not None else [])]
            if old is not None:
                refuse_odd(path)
            return work(folder, line, words, old is not None, said)
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


def _run(folder: Folder, line: Line, words: list[str], resumed: bool, said: set[str]) -> int:
    """One run in `folder`, whose lock we hold."""
    stopped = list[Exception]()
    try:
        hand_to_hydra(words, task(resumed, stopped, said))
    except OF_HYDRA:
        raise
    except Exception as wrong:  # such as a ValueError of logging, which Hydra sets up
        raise _cannot_begin(wrong) from wrong
    for error in stopped:
        raise error if isinstance(error, ConfigError | Damaged) and not lack(error) else JobFailed(error, folder.path)
    return 0


def _sweep(folder: Folder, line: Line, words: list[str], resumed: bool, said: set[str]) -> int:
    """A sweep in `folder`, whose lock we hold."""
    expected, keys = sum(1 for _ in overrides.jobs(line.overrides)), overrides.swept(line.overrides)
    other_sweeper, other_names = (
        any(text.startswith(key) for text in line.overrides) for key in ("hydra/sweeper=", "hydra.sweep.subdir=")
    )
    known = [] if other_sweeper else overrides.known_names(line.overrides)
    resume.record_sweep(folder.path, line.portable(), expected, [] if other_names else known)
    if not other_names:
        subdir = f"${{lth.job_name:${{hydra.overrides.task}},[{','.join(keys)}]}}"
        words = [*words, overrides.quoted("hydra.sweep.subdir", subdir)]
    stopped = list[Exception]()
    whole = sweep.Sweep(folder.path, len(known) or None, keys, identity(folder.path))
    try:
        hand_to_hydra(words, task(resumed, stopped, said, whole))
    except Exception as error:
        if not (folder.path / names.HYDRA_SWEEP).exists():
            if isinstance(error, OF_HYDRA):
                raise
            raise _cannot_begin(error) from error
        # A launcher whose worker was killed: the jobs that ended tell for themselves.
        say(brief(f"lth: {sweep.stopped(folder, error)}"), file=sys.stderr)
        sweep.end(folder, 0, ours=not resumed)
        return 1
    code = sweep.end(folder, expected, ours=not resumed) or (1 if stopped else 0)
    return 1 if any(map(lack, stopped)) else code


def _cannot_begin(error: Exception) -> ConfigError:
    cause = gist(str(error.__cause__ or ""))
    return ConfigError(f"Hydra cannot begin: {first_line(error)}{f': {cause}' if cause else ''}")


def _to_resume(line: Line) -> Path | None:
    """The folder that `resume=` names."""
    if not line.resume:
        return None
    if len(line.resume) > 1 or line.resume[0] == "" or not Path(line.resume[0]).is_dir():
        raise ConfigError(f"resume={','.join(line.resume)}: the folder of a run or a sweep")
    if "${" in line.resume[0]:
        raise ConfigError(
            f"resume={line.resume[0]}: rename it, as Hydra would take ${{…}} for the name of another folder"
        )
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
    return f"\n     to go on: lth run resume={clean(shlex.quote(str(path)))}" if _is_begun(path) else ""


def _is_begun(path: Path) -> bool:
    return any((path / name).exists() for name in (names.RECORD, names.ROUNDS, names.HYDRA_SWEEP))


@contextlib.contextmanager
def _process_as_it_was() -> Iterator[None]:
    """Leave the environment and sys.argv, by which Hydra is told things, and sys.path as they were before."""
    argv, searched, environment = sys.argv, list(sys.path), dict(os.environ)
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, searched
        for name in os.environ.keys() | environment.keys():
            if name not in environment:
                del os.environ[name]
            elif os.environ.get(name) != environment[name]:
                os.environ[name] = environment[name]
