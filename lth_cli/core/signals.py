"""Ctrl-C and SIGTERM: the first one ends the work in order, a second one at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar

_HANDLED = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 8  # seconds; schedulers give ten


class Terminated(KeyboardInterrupt):
    """SIGTERM, with which schedulers announce that time is up."""


class Signals:
    """Whether this process was asked to stop, and whether the asking waits. One that handles none is never asked."""

    _current: ClassVar["Signals | None"] = None

    def __init__(self) -> None:
        self._holding = False
        self._told: int | None = None
        self._held: int | None = None

    @classmethod
    def current(cls) -> "Signals":
        """The one that handles the signals of this process, or a new one where none does."""
        return cls._current or cls()

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """Within, a first SIGINT or SIGTERM raises KeyboardInterrupt or Terminated, and a second one ends the process.

        An error that leaves it after a signal is the signal: a library that is interrupted may raise one of its own.
        Where another has the signals, as around the jobs of a sweep, it is asked; where the system does not let us
        have them, nothing changes.
        """
        main = threading.current_thread() is threading.main_thread()
        if self._current is not None or not main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            with self.current()._told_first():
                yield
            return
        # One that is ignored already, as Ctrl-C is in a shell's background, stays ignored.
        heard = [number for number in _HANDLED if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._first) for number in heard}
        Signals._current, self._told = self, None
        try:
            with self._told_first():
                yield
        finally:
            Signals._current = None
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within, a first signal waits until `stop_if_asked` is called, but no longer than some seconds.

        On a system without alarms it waits until then. Whatever else ends the work while a signal waits, it is the
        signal that is told: others may depend on who was asked to stop, and the error, if it was no consequence of
        stopping, comes again when the run goes on. A signal that came before, and was lost in a library, is raised.
        """
        if self._told is not None:
            self._raise(self._told)
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
            self.stop_if_asked()

    def asked_to_stop(self) -> bool:
        """Whether a signal waits."""
        return self._held is not None

    def stop_if_asked(self) -> None:
        """Raise KeyboardInterrupt or Terminated if a signal waits."""
        if self._held is not None:
            self._raise(self._held)

    def in_worker(self, parent: int) -> None:
        """In a Linux process forked from `parent`: end with it, leave Ctrl-C to it, and let SIGTERM wait."""
        import ctypes

        _DIE_WITH_PARENT = 1
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._hold)

    @contextmanager
    def _told_first(self) -> Iterator[None]:
        """Within, an error after a signal is the signal."""
        try:
            yield
        except Exception:
            if self._told is not None:
                self._raise(self._told)
            raise

    def _first(self, number: int, frame: FrameType | None) -> None:
        self._told = number
        for handled in _HANDLED:
            if signal.getsignal(handled) == self._first:
                signal.signal(handled, signal.SIG_DFL)
        if not self._holding:
            self._raise(number)
        if hasattr(signal, "alarm"):  # Windows has none
            signal.signal(signal.SIGALRM, lambda *late: self._raise(number))
            signal.alarm(_PATIENCE)
        self._hold(number, frame)

    def _hold(self, number: int, frame: FrameType | None) -> None:
        self._held = number

    def _raise(self, number: int) -> None:
        self._held = None
        if hasattr(signal, "alarm"):
            signal.alarm(0)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
