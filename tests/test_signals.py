"""Ctrl-C and SIGTERM, sent to this process or to one of its own."""

import os
import pkgutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lth_cli.core import signals
from lth_cli.core.signals import Signals, Terminated
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.read import read
from tests.command import Lth, only_run


def test_the_current_signals_are_those_that_handle_them() -> None:
    before = Signals.current()
    mine = Signals()
    with mine.in_order():
        assert Signals.current() is mine
        with Signals().in_order():  # as a job of a sweep in the process of the sweep
            assert Signals.current() is mine
            with Signals.current().held():
                assert not mine.asked_to_stop()
                os.kill(os.getpid(), signal.SIGINT)
                assert mine.asked_to_stop()
                assert not before.asked_to_stop()
                with pytest.raises(KeyboardInterrupt):
                    mine.stop_if_asked()
    assert Signals.current() is not mine
    assert Signals.current() is not Signals.current()  # where nobody handles them, nobody is asked


def test_an_error_while_a_signal_waits_does_not_hide_the_signal() -> None:
    """And what has been raised is not raised again some seconds later."""

    mine = Signals()

    def work(error: Exception | None) -> None:
        with mine.held():
            os.kill(os.getpid(), signal.SIGTERM)
            assert mine.asked_to_stop()
            if error is not None:
                raise error

    for error in (RuntimeError(), None):
        with mine.in_order():
            with pytest.raises(Terminated):
                work(error)
            assert not mine.asked_to_stop()
            assert signal.alarm(0) == 0
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_work_that_does_not_stop_is_ended_after_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Signals()

    def work() -> None:
        with mine.held():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)

    monkeypatch.setattr(signals, "_PATIENCE", 1)
    with mine.in_order(), pytest.raises(Terminated):
        work()
    assert not mine.asked_to_stop()


def test_ctrl_c_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals().in_order():
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_second_ctrl_c_ends_at_once() -> None:
    """Even while the first one is being obeyed."""
    code = (
        "import time\nfrom lth_cli.core.signals import Signals\nwith Signals().in_order():\n"
        "    try:\n        print('begun', flush=True)\n        time.sleep(60)\n"
        "    finally:\n        print('ending', flush=True)\n        time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for word in ("begun\n", "ending\n"):
        assert process.stdout.readline() == word
        process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    process.stdout.close()


QUICK = ("rounds=2", "controls=[]", "train.iterations=4it", "model.hidden=[8]", "executor=serial")
BEFORE_WORK = ("lth_cli.command.compose.Composer.whole", "lth_cli.command.check.check", "hydra.main")
IN_SETUP = ("hydra.utils.instantiate", "lth_cli.command.run.record_of")


def strike(monkeypatch: pytest.MonkeyPatch, place: str, number: int = signal.SIGTERM, lost: bool = False) -> None:
    """Let a signal strike in the first call of what is there, as in a library that turns it into an error of its own.

    Args:
        lost: it goes on as if nothing were instead.
    """
    before, calls = pkgutil.resolve_name(place), []

    def struck(*arguments: Any, **named: Any) -> Any:
        calls.append(place)
        if len(calls) == 1:
            try:
                os.kill(os.getpid(), number)
                pytest.fail("the signal was not heard")
            except KeyboardInterrupt:
                if not lost:
                    raise KeyError("_target_") from None
        return before(*arguments, **named)

    monkeypatch.setattr(place, struck)


@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
@pytest.mark.parametrize("place", BEFORE_WORK + IN_SETUP)
def test_a_signal_before_any_work_is_told_whatever_a_library_makes_of_it(
    place: str, sweep: tuple[str, ...], lth: Lth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strike(monkeypatch, place)
    done = lth("run", *sweep, *QUICK)
    hint = ""
    if sweep and place in IN_SETUP:  # the others must be told
        hint = f"\n     to go on: lth run resume={only_run(tmp_path).relative_to(tmp_path)}"
        assert [read(job).status for job in only_run(tmp_path).glob("seed=*")] == ["interrupted"]
    else:
        assert not list(tmp_path.iterdir())
    assert (done.returncode, done.stderr) == (143, f"lth: interrupted{hint}\n")


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_between_two_trainings_is_told_whatever_a_library_makes_of_it(
    lost: bool, number: int, code: int, lth: Lth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is lost altogether, it is told before the next one."""
    strike(monkeypatch, "lth_cli.rundir.checkpoints.Checkpoints.clear", number, lost)
    done = lth("run", *QUICK)
    run = only_run(tmp_path)
    hint = f"\n     to go on: lth run resume={run.relative_to(tmp_path)}"
    assert (done.returncode, done.stderr) == (code, f"lth: interrupted{hint}\n")
    assert (read(run).status, reopen(run).rounds) == ("interrupted", 1)


def test_a_signal_while_a_wrong_job_is_marked_is_told(lth: Lth, monkeypatch: pytest.MonkeyPatch) -> None:
    strike(monkeypatch, "lth_cli.command.record.mark_unstarted")
    done = lth("run", "-m", "seed=0,1", "model=lenet5")
    assert done.returncode == 143
    assert done.stderr.startswith("lth: interrupted\n     to go on: lth run resume=")


@pytest.mark.parametrize("words", ["compare", "verify run"])
def test_a_signal_to_what_reads_runs_is_told(words: str, run: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch) -> None:
    strike(monkeypatch, f"lth_cli.report.{'comparison' if words == 'compare' else 'verification'}.report")
    done = lth(*words.split())
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "lth: interrupted\n")


def test_sigterm_when_all_is_done_changes_nothing(tmp_path: Path) -> None:
    """While Python tidies up, which takes a tenth of a second."""
    code = (
        "import atexit, os, signal, sys\nfrom lth_cli.cli import main\n"
        "atexit.register(os.kill, os.getpid(), signal.SIGTERM)\nsys.argv = ['lth', '--version']\nsys.exit(main())"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0
