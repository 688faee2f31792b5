"""Ctrl-C and SIGTERM: the first one ends the work in order, a second one at once."""

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HANDLED = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 8  # seconds; schedulers give ten

_holding = False
_held: int | None = None


class Terminated(KeyboardInterrupt):
    """SIGTERM, with which schedulers announce that time is up."""


@contextmanager
def in_order() -> Iterator[None]:
    """Within, a first SIGINT or SIGTERM raises KeyboardInterrupt or Terminated, and a second one ends the process."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:  # not ours to handle, or handled already
        yield
        return
    # One that is ignored already, as Ctrl-C is in a shell's background, stays ignored.
    heard = [number for number in _HANDLED if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _first) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held() -> Iterator[None]:
    """Within, a first signal waits until `stop_if_asked` is called, but no longer than some seconds.

    Whatever else ends the work while a signal waits, it is the signal that is told: others may depend on who was
    asked to stop, and the error, if it was no consequence of stopping, comes again when the run goes on.
    """
    global _holding
    _holding = True
    try:
        yield
    finally:
        _holding = False
        stop_if_asked()


def asked_to_stop() -> bool:
    """Whether a signal waits."""
    return _held is not None


def stop_if_asked() -> None:
    """Raise KeyboardInterrupt or Terminated if a signal waits."""
    if _held is not None:
        _raise(_held)


def in_worker(parent: int) -> None:
    """In a process forked from `parent`: end with it, leave Ctrl-C to it, and let SIGTERM wait for `stop_if_asked`."""
    _DIE_WITH_PARENT = 1
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _hold)


def _first(number: int, frame: FrameType | None) -> None:
    for handled in _HANDLED:
        if signal.getsignal(handled) == _first:
            signal.signal(handled, signal.SIG_DFL)
    if not _holding:
        _raise(number)
    signal.signal(signal.SIGALRM, lambda *late: _raise(number))
    signal.alarm(_PATIENCE)
    _hold(number, frame)


def _hold(number: int, frame: FrameType | None) -> None:
    global _held
    _held = number


def _raise(number: int) -> None:
    global _held
    _held = None
    signal.alarm(0)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
