"""The pictures that a run leaves of itself. They hold nothing that is not in its tables, so no manifest lists them."""

from contextlib import suppress
from pathlib import Path

from lth_cli.rundir import names, within


def save(path: Path, kind: str, content: bytes) -> None:
    """Write one into a run directory, in place of an earlier one; raises OSError."""
    within.make_dir(path, names.PICTURES)
    within.write(path, names.picture(kind), content)


def clear(path: Path) -> None:
    """Remove those that a run left before it went on; what somebody else put there stays."""
    with suppress(OSError):
        for kind in names.PICTURED:
            within.remove(path, names.picture(kind))
        within.remove(path, names.PICTURES)
