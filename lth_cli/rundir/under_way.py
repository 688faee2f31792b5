"""The round in work, as far as files show: which trainings were kept how far, and when each round ended."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lth_cli.rundir import names, within

_MOST = 200  # files below partial/ that are looked at
_BEGIN = 1024  # bytes of one, in which its metadata say how far it is
_DONE = re.compile(rb'\\"done\\": (\d{1,18})\b')  # in JSON that is text in JSON


@dataclass(frozen=True)
class Training:
    """A training that was kept; it goes on since.

    Args:
        others: how many networks train together with it.
        done: iterations, at least; None where that cannot be read.
    """

    round: int
    arm: str
    seed: int
    others: int
    done: int | None


def trainings(path: Path) -> list[Training]:
    """Those that a run directory keeps of its round in work, in order of their names."""
    folder, found = path / names.PARTIAL, list[Training]()
    if folder.is_symlink():
        return found
    with suppress(OSError), os.scandir(folder) as entries:
        for name in sorted(f"{names.PARTIAL}/{entry.name}" for entry in islice(entries, _MOST)):
            if (of := names.partial_of(name)) is not None:
                key, others = of
                found.append(Training(*key, others, _done(path, name)))
    return found


def ends(path: Path, rounds: int) -> list[float]:
    """When each of the first rounds was written, in seconds since 1970, up to the first one that is not there."""
    return list(_ends(path, rounds))


def _ends(path: Path, rounds: int) -> Iterator[float]:
    for round in range(rounds):
        try:
            yield os.lstat(path / names.round_folder(round)).st_mtime
        except OSError:
            return


def _done(path: Path, name: str) -> int | None:
    """As the first bytes say, in the order in which `Checkpoints` writes: all of the header may be megabytes."""
    try:
        with within.opened(path, name) as file:
            found = _DONE.search(file.read(_BEGIN))
    except OSError:
        return None
    return None if found is None else int(found[1])
