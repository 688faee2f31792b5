"""Folders that are never begun anew, and writes that a reader never sees half of."""

import os
from contextlib import suppress
from pathlib import Path


def make_dir(path: Path) -> None:
    """Make one folder, if it is missing; its parent must be there, so that a vanished run is never begun anew."""
    try:
        path.mkdir()
    except FileExistsError:
        return
    _flush_dir(path.parent)


def write(path: Path, data: bytes) -> None:
    """Write under a temporary name, flush, and rename; the folder must be there.

    Raises:
        OSError: naming `path`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_dir(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_temporary(path: Path) -> None:
    """Remove what a killed writer left half written below a folder."""
    for file in path.rglob(".*.tmp"):
        file.unlink(missing_ok=True)


def _flush_dir(path: Path) -> None:
    """A rename is on the disk only when its folder is; where a folder cannot be opened (Windows), it has no say."""
    if os.name == "nt":
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
