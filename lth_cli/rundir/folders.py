"""Folders that two runs never share, with one writer each."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_locks: set[int] = set()  # open descriptors of this process
_created: dict[str, list[Path]] = {}  # by run directory: the parents that had to be made for it


class Busy(Exception):
    """Another process is writing this run or sweep."""


def free_dir(path: str) -> str:
    """Create `path`, or ``path-2``, ``path-3``, … if it is taken, and say which: two runs never share a folder."""
    missing = [parent for parent in Path(path).parents if not parent.exists()]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", *(f"-{i}" for i in range(2, 10_000))):
        try:
            Path(path + suffix).mkdir()
        except FileExistsError:
            continue
        _created[os.path.abspath(path + suffix)] = missing
        return path + suffix
    raise FileExistsError(f"{path} and all its suffixes are taken")


def discard(path: Path) -> None:
    """Remove a run directory in which no work was done, and the parents that were made for it, where empty."""
    shutil.rmtree(path, ignore_errors=True)
    for parent in _created.pop(os.path.abspath(path), []):
        try:
            parent.rmdir()
        except OSError:
            return


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Hold the lock of a run or sweep. The system lets go of it when the process ends, however it ends.

    Workers that are forked meanwhile do not hold it, or they might for a while after their parent is dead.

    Raises:
        Busy: another process holds it.
    """
    lock = os.open(path / ".lock", os.O_WRONLY | os.O_CREAT, 0o666)
    _locks.add(lock)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"{path}: another process is writing it") from None
        yield
    finally:
        _close({lock} & _locks)


def _close(locks: set[int]) -> None:
    for lock in locks:
        os.close(lock)
    _locks.difference_update(locks)


os.register_at_fork(after_in_child=lambda: _close(set(_locks)))
