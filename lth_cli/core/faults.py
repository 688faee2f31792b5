"""Faults that are not the work's own: what the machine lacks, and processes that somebody ended."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

MEMORY, FILES = "out of memory", "too many open files: allow more with ulimit -n"
_MEMORY = re.compile("out of memory|not enough memory|(can't|annot) allocate memory|bad_alloc|failed to map segment")


class UsageError(Exception):
    """The command line is wrong; the text says how."""


@contextmanager
def of_the_command_line(*kinds: type[Exception]) -> Iterator[None]:
    """Errors of these kinds are the command line's, as is a file that cannot be written: raises UsageError."""
    try:
        yield
    except kinds as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        if error.filename is None:  # the terminal or pipe, not a file that the command line names
            raise
        raise UsageError(f"{error.filename}: {error.strerror}") from None


class TooLarge(MemoryError):
    """Too little memory for one thing; the text says for what."""


class WorkerEnded(Exception):
    """A worker process ended before its work; the text says whose, and how."""


def lack(error: BaseException | None) -> str | None:
    """MEMORY or FILES, where the lack of it is behind an error, whatever others have made of it; else None."""
    seen = set[int]()  # of errors, whose causes may be a circle
    while error is not None and not isinstance(error, WorkerEnded) and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, MemoryError) or _MEMORY.search(str(error)):
            return MEMORY
        if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE) or "Too many open files" in str(error):
            return FILES
        error = error.__cause__ or error.__context__
    return None
