"""Ctrl-C and SIGTERM, sent to this process or to one of its own."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lth_cli.core import signals
from lth_cli.core.signals import Signals, Terminated


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
