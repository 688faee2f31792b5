"""Folders and files: names that two runs never share, and writes that a reader never sees half of."""

import os
import shutil
from pathlib import Path

_created: dict[str, list[Path]] = {}  # by run directory: the parents that had to be made for it


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


def write(path: Path, data: bytes) -> None:
    """Write under a temporary name, flush, and rename.

    Raises:
        OSError: naming `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        temporary.unlink(missing_ok=True)
