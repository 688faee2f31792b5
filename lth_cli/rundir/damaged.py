"""What is wrong with a run directory that cannot be read."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import yaml

from lth_cli.rundir import within

T = TypeVar("T")

UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, csv.Error, yaml.YAMLError)
"""What parsing a file may raise, whatever is in it."""


class Damaged(Exception):
    """A run directory that cannot be read; the text says which file and why."""


class Newer(Damaged):
    """A run directory that a newer version of lth wrote."""


def parsed(root: Path, name: str, parser: Callable[[str], T]) -> T:
    """What is in a file of a run directory; raises Damaged, or Newer."""
    path = root / name
    try:
        return parser(within.read(root, name).decode())
    except FileNotFoundError:
        raise Damaged(f"{path}: missing") from None
    except Newer as newer:
        raise Newer(f"{path}: {newer}") from None
    except UNREADABLE as error:
        raise Damaged(f"{path}: {why(error)}") from None


def why(error: Exception) -> str:
    """What is wrong with a file, in a line that does not name it."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (text.splitlines() or [type(error).__name__])[0]
