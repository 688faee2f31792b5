"""What is wrong with a run directory that cannot be read."""

import csv
import errno
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import yaml

from lth_cli.rundir import within

T = TypeVar("T")

_LONGEST = 200  # characters of what is wrong with a file

UNREADABLE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, RecursionError, csv.Error, yaml.YAMLError),
)
"""What reading and parsing a file may raise, whatever is in it."""

_NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EINVAL)
"""Missing, or a folder, a link, a pipe or a device: what the run wrote is gone. Any other error may pass."""


class Damaged(Exception):
    """A run directory that cannot be read; the text says which file and why."""


class OutOfReach(Damaged):
    """What cannot be read here and now, as by this version, this user or this disk: nothing takes its place."""


def parsed(root: Path, name: str, parser: Callable[[str], T], kept: dict[str, bytes] | None = None) -> T:
    """What is in a file of a run directory; raises Damaged.

    Args:
        kept: where its bytes are to be put, by its name.
    """
    try:
        data = within.read(root, name)
        if kept is not None:
            kept[name] = data
        return parser(data.decode())
    except (*UNREADABLE, OutOfReach) as error:
        raise Damaged(f"{root / name}: {why(root / name, error)}") from None


def why(path: Path, error: Exception) -> str:
    """What is wrong with a file that is lost, in a line that does not name it; raises as `check_reach` does."""
    check_reach(path, error)
    return "missing" if isinstance(error, FileNotFoundError) else _line(error)


def check_reach(path: Path, error: Exception) -> None:
    """Raise OutOfReach where a file that could not be read may well be in order."""
    if isinstance(error, OutOfReach) or (isinstance(error, OSError) and error.errno not in _NO_FILE):
        raise OutOfReach(f"{path}: {_line(error)}") from None


def _line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.splitlines() or [type(error).__name__])[0][:_LONGEST]
