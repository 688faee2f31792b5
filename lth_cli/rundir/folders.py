"""Folders that two runs never share, with one writer each."""

import errno
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that there are no locks here, which `sole_writer` says
    from filelock import BaseFileLock, Timeout, UnixFileLock, WindowsFileLock

# By name: filelock's choice where there is no flock takes a file that is left of an earlier run for a held lock.
_Lock: type[BaseFileLock] = WindowsFileLock if sys.platform == "win32" else UnixFileLock
_NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}


class Busy(Exception):
    """Another process is writing this run or sweep."""


@dataclass(frozen=True)
class Folder:
    """The folder of a run or sweep.

    Args:
        path: of the folder.
        made: the parents that had to be made for it, the nearest first.
    """

    path: Path
    made: tuple[Path, ...] = ()


def free_dir(path: str) -> Folder:
    """Create `path`, or ``path-2``, ``path-3``, … if it is taken, and say which: two runs never share a folder."""
    missing = tuple(parent for parent in Path(path).parents if not parent.exists())
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", *(f"-{i}" for i in range(2, 10_000))):
        try:
            Path(path + suffix).mkdir()
        except FileExistsError:
            continue
        return Folder(Path(path + suffix), missing)
    raise FileExistsError(f"{path} and all its suffixes are taken")


def discard(folder: Folder) -> None:
    """Remove a folder in which no work was done, and the parents that were made for it, where empty."""
    shutil.rmtree(folder.path, ignore_errors=True)
    for parent in folder.made:
        try:
            parent.rmdir()
        except OSError:
            return


@contextmanager
def sole_writer(path: Path) -> Iterator[str | None]:
    """Hold the lock of a run or sweep. The system lets go of it when the process ends, however it ends.

    Workers that are forked meanwhile do not hold it, or they might for a while after their parent is dead: filelock
    closes its descriptor in them.

    Yields:
        None, or a line for the user where the system or the file system has no locks: the work goes on without one.

    Raises:
        Busy: another process holds it.
        OSError: naming the lock's file.
    """
    file = path / ".lock"
    if not path.is_dir():  # which filelock would make
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    if os.path.lexists(file) and (file.is_symlink() or not file.is_file() or file.stat().st_size > 0):
        raise OSError(errno.EINVAL, "not a lock", str(file))  # which to open may empty
    lock, note = _Lock(file, fallback_to_soft=False), None
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise Busy(f"{path}: another process is writing it") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise OSError(error.errno, error.strerror, str(file)) from None
        note = f"{path}: there are no locks here, so a second process in it would not be refused"
    try:
        yield note
    finally:
        lock.release()
