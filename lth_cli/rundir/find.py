"""Finding run directories by their names and by what is in them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from lth_cli.rundir import names

_DEEPEST = 100


def find(path: Path) -> list[Path]:
    """The run directories at or below a folder, in order of their names; temporary and hidden folders are left out."""
    if (path / names.RECORD).exists():
        return [path]
    found = []
    for folder, folders, files in walk(path):
        if names.RECORD in files or ".hydra" in os.listdir(folder):
            found.append(Path(folder))
            folders.clear()
    return found


def walk(path: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """As os.walk: the folders that are not hidden, in order of their names, down to where no run is any more."""
    above = len(path.parts)
    for folder, folders, files in os.walk(path):
        deep = len(Path(folder).parts) - above >= _DEEPEST  # os.walk may recur
        folders[:] = sorted(name for name in folders if not name.startswith(".") and not deep)
        yield folder, folders, files


def latest(output: Path) -> Path | None:
    """The newest run or sweep of an output folder, by date and time in its name."""
    started = [path for day in days(output) for path in _folders(day, "*")]
    return max(started, key=lambda path: (path.parent.name, _natural(path.name)), default=None)


def days(output: Path) -> list[Path]:
    """The folders of an output folder that are called as days are."""
    return _folders(output, "????-??-??")


def _folders(path: Path, pattern: str) -> list[Path]:
    """In a folder; links are none."""
    return [one for one in path.glob(pattern) if one.is_dir() and not one.is_symlink()]


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key in which 12-00-00_x-10 comes after 12-00-00_x-9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
