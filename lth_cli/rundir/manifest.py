"""The manifest: SHA-256 of every file of a run, and of each round's rows in each table. It says which rounds count.

A round is on disk when the manifest lists it, which is written last; it is intact when everything listed is as it was.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from lth_cli.core.files import write
from lth_cli.rundir.read import TABLES, UNREADABLE, Damaged

_NAME = re.compile(r"config\.yaml|(rounds/\d{2,4}|tickets)/[\w-]+\.safetensors", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """What a run directory must hold.

    Args:
        files: SHA-256 by path within the run directory.
        rows: by round, the SHA-256 of its rows in each table.
    """

    files: dict[str, str] = field(default_factory=dict)
    rows: dict[int, dict[str, str]] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it into a run directory."""
        write(path / "manifest.json", json.dumps({"files": self.files, "rows": self.rows}, indent=1).encode() + b"\n")

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read it from a run directory.

        Raises:
            Damaged: missing, or not a manifest, or naming files that no run has.
        """
        file = path / "manifest.json"
        try:
            document = json.loads(file.read_text())
            files = {str(name): str(digest) for name, digest in document["files"].items()}
            rows = {int(round): dict(digests) for round, digests in document["rows"].items()}
        except FileNotFoundError:
            raise Damaged(f"{file}: missing") from None
        except (*UNREADABLE, AttributeError) as error:
            raise Damaged(f"{file}: {type(error).__name__}: {str(error)[:80]}") from None
        for name, digest in files.items():
            if not _NAME.fullmatch(name) or not _SHA256.fullmatch(digest):
                raise Damaged(f"{file}: {name[:80]!r} is no file of a run")
        if any(set(digests) != set(TABLES) for digests in rows.values()):
            raise Damaged(f"{file}: rows of other tables than {', '.join(TABLES)}")
        return cls(files, rows)

    def upto(self, rounds: int) -> "Manifest":
        """What it says of the first `rounds` rounds; no tickets."""
        kept = {f"rounds/{round:02d}" for round in range(rounds)}
        files = {name: digest for name, digest in self.files.items() if name.rpartition("/")[0] in kept}
        return Manifest(files, {round: digests for round, digests in self.rows.items() if round < rounds})


def sha256(data: bytes) -> str:
    """The digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def rows_by_round(table: bytes) -> dict[bytes, bytes]:
    """The lines of a table after its header, by the round each begins with."""
    rows: dict[bytes, bytes] = defaultdict(bytes)
    for line in table.splitlines(keepends=True)[1:]:
        rows[line.partition(b",")[0]] += line
    return rows


def damage(path: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Where a run directory is not what its manifest says: the file or ``table, round N``, and what is wrong."""
    for name, digest in manifest.files.items():
        if wrong := _wrong(path, name, digest):
            yield name, wrong
    for table in TABLES:
        try:
            rows = rows_by_round((path / table).read_bytes())
        except OSError as error:
            rows = {}
            yield table, error.strerror or "unreadable"
        for round, digests in manifest.rows.items():
            written = rows.get(b"%d" % round, b"")
            if not written or sha256(written) != digests[table]:
                yield f"{table}, round {round}", "not the rows that were written"


def intact_rounds(manifest: Manifest, broken: Collection[str]) -> int:
    """How many rounds, from round 0 on, are as they were written, where the places in `broken` are not."""
    for round in count():
        names = {name for name in manifest.files if name.startswith(f"rounds/{round:02d}/")}
        rows = {f"{table}, round {round}" for table in TABLES}
        if round not in manifest.rows or not names or not (names | rows).isdisjoint(broken):
            return round
    raise AssertionError


def _wrong(path: Path, name: str, digest: str) -> str | None:
    file = path / name
    if file.is_symlink() or not file.is_file():
        return "missing" if not file.exists() else "not a file"
    with open(file, "rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    return None if found == digest else "not the bytes that were written"
