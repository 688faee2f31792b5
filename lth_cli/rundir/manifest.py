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

from lth_cli.rundir import names, within
from lth_cli.rundir.columns import TABLES
from lth_cli.rundir.damaged import UNREADABLE, Damaged, parsed, why
from lth_cli.rundir.tables import cells, filled, rows_by_round, younger

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_ROUND = 9  # digits: of larger numbers, thousands have one hash


@dataclass(frozen=True)
class Manifest:
    """What a run directory must hold.

    Args:
        files: SHA-256 by path within the run directory.
        rows: by round, the SHA-256 of its rows in each table.
        claims: SHA-256 of what run.json says from the start on, by key; empty in an older run.
    """

    files: dict[str, str] = field(default_factory=dict)
    rows: dict[int, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it into a run directory."""
        document = {"files": self.files, "rows": self.rows, "claims": self.claims}
        within.write(path, names.MANIFEST, json.dumps(document, indent=1).encode() + b"\n")

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read it from a run directory.

        Raises:
            Damaged: missing, or not a manifest, or naming files that no run has.
        """
        file = path / names.MANIFEST
        files, rows, claims = parsed(path, names.MANIFEST, _parse)
        for name, digest in files.items():
            if not names.is_listed(name) or not _SHA256.fullmatch(digest):
                raise Damaged(f"{file}: {name[:80]!r} is no file of a run")
        if any(set(digests) != set(TABLES) for digests in rows.values()):
            raise Damaged(f"{file}: rows of other tables than {', '.join(TABLES)}")
        return cls(files, rows, claims)

    def upto(self, rounds: int) -> "Manifest":
        """What it says of the first `rounds` rounds; no tickets, and no claims."""
        states = {name for round, states in self.states().items() if round < rounds for name in states}
        files = {name: digest for name, digest in self.files.items() if name in states}
        return Manifest(files, {round: digests for round, digests in self.rows.items() if round < rounds})

    def states(self) -> dict[int, set[str]]:
        """The files of each round."""
        found: dict[int, set[str]] = defaultdict(set)
        for name in self.files:
            if (key := names.key_of(name)) is not None:
                found[key[0]].add(name)
        return found


def sha256(data: bytes) -> str:
    """The digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def damage(path: Path, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Where a run directory is not what its manifest says: the file or ``table, round N``, and what is wrong.

    A table may lack the younger columns of which the manifest knows: a kill came while an older run was rewritten.

    Raises:
        OutOfReach: a file cannot be read here and now.
    """
    for name, digest in manifest.files.items():
        if wrong := _wrong(path, name, digest):
            yield name, wrong
    for table in TABLES:
        yield from wrong_rows(path, table, manifest)


def wrong_rows(path: Path, table: str, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """The same of one table; and where its other lines could be taken for those that have a hash."""
    text = b""
    try:
        text = within.read(path, table)
        for _ in cells(text.decode(), table):
            pass
    except UNREADABLE as error:
        yield table, why(path / table, error)
    yield from other_rows(text, table, manifest)


def other_rows(text: bytes, table: str, manifest: Manifest) -> Iterator[tuple[str, str]]:
    """The same of the text of a table whose lines are all rows."""
    rows, lacking = rows_by_round(text), younger(table, text)
    for round, digests in manifest.rows.items():
        written = rows.get(b"%d" % round, b"")
        if not written or digests[table] not in map(sha256, {written, filled(written, lacking)}):
            yield f"{table}, round {round}", "not the rows that were written"


def intact_rounds(manifest: Manifest, broken: Collection[str]) -> int:
    """How many rounds, from round 0 on, are as they were written, where the places in `broken` are not."""
    states = manifest.states()
    for round in count():
        rows = {f"{table}, round {round}" for table in TABLES}
        if round not in manifest.rows or not states[round] or not (states[round] | rows).isdisjoint(broken):
            return round
    raise AssertionError


def _parse(text: str) -> tuple[dict[str, str], dict[int, dict[str, str]], dict[str, str]]:
    """Files, rows and claims."""
    document = json.loads(text)
    files = {str(name): str(digest) for name, digest in document["files"].items()}
    if any(len(round) > _LONGEST_ROUND for round in document["rows"]):
        raise ValueError(f"a round of more than {_LONGEST_ROUND} digits")
    rows = {int(round): dict(digests) for round, digests in document["rows"].items()}
    return files, rows, {str(key): str(digest) for key, digest in document.get("claims", {}).items()}


def _wrong(path: Path, name: str, digest: str) -> str | None:
    try:
        with within.opened(path, name) as content:
            found = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        return why(path / name, error)
    return None if found == digest else "not the bytes that were written"
