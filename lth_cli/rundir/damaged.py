"""What is wrong with a run directory that cannot be read."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import yaml

T = TypeVar("T")

UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, csv.Error, yaml.YAMLError)
"""What parsing a file may raise, whatever is in it."""


class Damaged(Exception):
    """A run directory that cannot be read; the text says which file and why."""


class Newer(Damaged):
    """A run directory that a newer version of lth wrote."""


def parsed(path: Path, parser: Callable[[str], T]) -> T:
    """What is in a file; raises Damaged, or Newer."""
    try:
        return parser(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Damaged(f"{path}: missing") from None
    except Newer as newer:
        raise Newer(f"{path}: {newer}") from None
    except UNREADABLE as error:
        raise Damaged(f"{path}: {(str(error).splitlines() or [type(error).__name__])[0]}") from None
