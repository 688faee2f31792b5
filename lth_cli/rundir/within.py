"""Every read and write below a run directory: regular files of a bounded size, and no link is followed."""

import errno
from io import BufferedReader
from pathlib import Path

from lth_cli.core import files
from lth_cli.rundir import names

_MIB = 2**20
_MOST = {names.HISTORY: 64 * _MIB, names.MANIFEST: 64 * _MIB}  # others by what they are
_MOST_OF_KIND = {
    ".yaml": _MIB // 4,  # PyYAML takes seconds for that
    ".json": 16 * _MIB,  # a thousand rounds of two hundred layers
    ".csv": 256 * _MIB,
    ".safetensors": 4096 * _MIB,
    ".svg": 16 * _MIB,
}
_MOST_OF_A_TRAINING = 16384 * _MIB  # a stack of networks with their optimizers


class Odd(OSError):
    """A run directory with something in it that no run writes."""


def most(name: str) -> int:
    """The bytes that a file of a run may have."""
    if name.startswith(f"{names.PARTIAL}/"):
        return _MOST_OF_A_TRAINING
    return _MOST.get(name, _MOST_OF_KIND[Path(name).suffix])


def opened(root: Path, name: str) -> BufferedReader:
    """A file of a run directory, to be read; raises OSError, naming it, as `files.open_regular` does."""
    return files.open_regular(root / name, most(name), root)


def read(root: Path, name: str) -> bytes:
    """What is in a file of a run directory; raises OSError."""
    return files.read(root / name, most(name), root)


def write(root: Path, name: str, data: bytes) -> None:
    """Write a file of a run directory; raises OSError, also where it would be larger than what is read."""
    if len(data) > most(name):
        text = f"{len(data):,} bytes to write; at most {most(name):,} are read again"
        raise OSError(errno.EFBIG, text, str(root / name))
    files.write(root / name, data, root)


def make_dir(root: Path, name: str) -> None:
    """Make a folder of a run directory, if it is missing; raises OSError."""
    files.make_dir(root / name, root)


def remove(root: Path, name: str) -> None:
    """Remove a file of a run directory, or an empty folder, if it is there; raises OSError."""
    files.remove(root / name, root)


def refuse_odd(root: Path) -> None:
    """Refuse a run or sweep that is to go on and holds links, pipes or devices.

    Raises:
        Odd: naming the first one.
        OSError: what is there cannot be listed.
    """
    for path in sorted(Path(entry.path) for entry in files.below(root) if not entry.is_file(follow_symlinks=False)):
        raise Odd(0, "a link, a pipe or a device: a run that goes on has none", str(path))
