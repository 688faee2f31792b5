"""What a resumed run goes on from: the rounds of its directory that are as they were written. torch is not imported."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lth_cli.rundir import names, within
from lth_cli.rundir.claims import changed
from lth_cli.rundir.columns import FORMAT, TABLES
from lth_cli.rundir.damaged import Damaged, OutOfReach
from lth_cli.rundir.manifest import Manifest, damage, intact_rounds, sha256
from lth_cli.rundir.record import Record, read_in_part
from lth_cli.rundir.tables import filled, header, rows_by_round, younger

_MOST = 20  # keys that are named
_ALL_LOST = "without it no round counts, though their states are there: put it back, or remove it to begin anew"


@dataclass(frozen=True)
class Intact:
    """What is intact of a run directory.

    Args:
        record: run.json, without what is no longer as it was written; empty where there is none, or it is damaged.
        begun: whether a round was ever finished.
        rounds: how many rounds, from round 0 on, are intact; none without run.json, which says of what data they are.
        manifest: of these rounds, with the rows as `tables` has them.
        tables: the rows of these rounds, by table, without its header; in a run of an older format with the columns
            that came later.
        broken: a line for each place that is missing or damaged.
    """

    path: Path
    record: Record
    begun: bool
    rounds: int
    manifest: Manifest
    tables: dict[str, bytes]
    broken: list[str]

    @property
    def done(self) -> bool:
        """Whether the run is done, and all of it is as it was written."""
        complete = self.rounds == len(self.record.get("keep", []))
        return self.record.get("status") == "done" and complete and not self.broken

    def upto(self, rounds: int, why: str) -> "Intact":
        """The first `rounds` rounds of it, as what comes after is to be made again, and why."""
        rows = {table: rows_by_round(header(table) + text) for table, text in self.tables.items()}
        tables = {table: b"".join(found[b"%d" % round] for round in range(rounds)) for table, found in rows.items()}
        broken = [*self.broken, why]
        return replace(self, rounds=rounds, manifest=self.manifest.upto(rounds), tables=tables, broken=broken)


def reopen(path: Path) -> Intact:
    """Read what is intact of a run directory, checked against its manifest; nothing in it is executed.

    What is damaged in one round costs the rounds from there on.

    Raises:
        OutOfReach: a file of it cannot be read here and now.
        Damaged: a file is damaged without which no round counts, although their states are in order. Whoever wants to
            begin anew removes it.
    """
    broken = dict[str, str]()
    record, manifest, left_out = Record(), Manifest(), list[str]()
    try:
        record, left_out = read_in_part(path)
    except OutOfReach:
        raise
    except Damaged as damaged:
        broken[names.RECORD] = str(damaged).partition(": ")[2]
    try:
        manifest = Manifest.load(path)
        broken |= damage(path, manifest)
    except OutOfReach:
        raise
    except Damaged as damaged:
        broken[names.MANIFEST] = str(damaged).partition(": ")[2]
    lost = changed(record, manifest) if record else []
    if said := [f"{text}: left out" for text in left_out] + [f"{key}: not what was written" for key in lost[:_MOST]]:
        broken[names.RECORD] = "; ".join(said)
    record = {key: value for key, value in record.items() if key not in lost or key == "format"}
    rounds = intact_rounds(manifest, broken)
    known = bool(record) and "data_sha256" not in lost
    _refuse_to_lose(path, manifest, broken, rounds, known)
    rounds = rounds if known else 0
    manifest = manifest.upto(rounds)
    tables = dict.fromkeys(TABLES, b"")
    for table in TABLES if rounds else ():
        text = within.read(path, table)
        rows, lacking = rows_by_round(text), younger(table, text, record["format"])
        for round in range(rounds):
            new = filled(rows[b"%d" % round], lacking)
            tables[table] += new
            manifest.rows[round][table] = sha256(new)
    lines = [f"{place}: {what}" for place, what in broken.items()]
    return Intact(path, record, (path / names.MANIFEST).exists(), rounds, manifest, tables, lines)


def _refuse_to_lose(path: Path, manifest: Manifest, broken: Mapping[str, str], rounds: int, known: bool) -> None:
    """Refuse to begin anew because of one damaged file; of one that is missing, it is done.

    Args:
        rounds: how many are as they were written.
        known: whether run.json says of what data they are.
    """
    states = manifest.states().get(0, set())
    wrong = {
        names.RECORD: rounds > 0 and not known,
        names.MANIFEST: names.MANIFEST in broken and _holds_states(path),
        **{
            table: bool(manifest.rows and states) and states.isdisjoint(broken) and not _has_header(path, table)
            for table in TABLES
        },
    }
    for name, is_wrong in wrong.items():
        if is_wrong and os.path.lexists(path / name):
            what = broken.get(name, "its first line is not the one that was written; are its line ends as they were?")
            raise Damaged(f"{path / name}: {what}\n     {_ALL_LOST}")


def _has_header(path: Path, table: str) -> bool:
    """Whether the first line of a table is that of one of its formats."""
    try:
        first = within.read(path, table).partition(b"\n")[0] + b"\n"
    except OSError:
        return False
    return any(first == header(table, version) for version in range(1, FORMAT + 1))


def _holds_states(path: Path) -> bool:
    """Whether there are states of a first round, whatever the manifest says."""
    folder = path / names.round_folder(0)
    return folder.is_dir() and any(names.key_of(f"{names.round_folder(0)}/{name}") for name in os.listdir(folder))
