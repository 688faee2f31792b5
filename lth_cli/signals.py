"""Ctrl-C and SIGTERM: the first one ends the work in order, a second one at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_HANDLED = (signal.SIGINT, signal.SIGTERM)


class Terminated(KeyboardInterrupt):
    """SIGTERM, with which schedulers announce that time is up."""


@contextmanager
def in_order() -> Iterator[None]:
    """Within, a first SIGINT or SIGTERM raises KeyboardInterrupt or Terminated, and a second one ends the process."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:  # not ours to handle, or handled already
        yield
        return
    before = {number: signal.signal(number, _first) for number in _HANDLED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first(number: int, frame: FrameType | None) -> None:
    for handled in _HANDLED:
        signal.signal(handled, signal.SIG_DFL)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
