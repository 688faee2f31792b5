"""Standard output and error, which daemons close, and which may be a full disk."""

import os
import sys
from contextlib import suppress

from lth_cli.core.faults import lack


def open_closed() -> None:
    """Give each standard stream that is closed somewhere to go.

    A file that is opened later would take its place, and what a library or a child prints would be written into it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def described(error: BaseException) -> str:
    """The text of an error, with the file that it is of; of standard output, too, which has no name."""
    if not isinstance(error, OSError) or lack(error):
        return str(error)
    name = error.filename or ("stdout" if _is_of_stdout(error) else None)
    return f"{name}: {error.strerror}" if name else str(error)


def _is_of_stdout(error: OSError) -> bool:
    """Where it was standard output that could not be written, an empty line cannot either."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError as again:
        return again.errno == error.errno
    return False


def give_up_stdout() -> None:
    """Send what else is printed nowhere, such as what Python still holds when the process ends."""
    with suppress(OSError, ValueError):  # a caller's own stream has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
