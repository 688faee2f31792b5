"""What a resumed run goes on from: the rounds of its directory that are as they were written. torch is not imported."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_cli.rundir.manifest import Manifest, damage, intact_rounds, rows_by_round
from lth_cli.rundir.read import TABLES, Damaged, Newer, read_record


@dataclass(frozen=True)
class Kept:
    """What is kept of a run directory.

    Args:
        record: run.json; empty where there is none, or it is damaged.
        begun: whether a round was ever finished.
        rounds: how many rounds, from round 0 on, are intact; none without run.json, which says of what data they are.
        manifest: of these rounds.
        tables: the rows of these rounds, by table, without its header.
        broken: a line for each place that is missing or damaged.
    """

    path: Path
    record: dict[str, Any]
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


def reopen(path: Path) -> Kept:
    """Read what can be kept of a run directory, checked against its manifest; nothing in it is executed.

    Raises:
        Newer: it is of a newer version of lth.
    """
    broken = dict[str, str]()
    record, manifest = dict[str, Any](), Manifest()
    try:
        record = read_record(path)
    except Newer:
        raise
    except Damaged as damaged:
        broken["run.json"] = str(damaged).partition(": ")[2]
    try:
        manifest = Manifest.load(path)
        broken |= damage(path, manifest)
    except Damaged as damaged:
        broken["manifest.json"] = str(damaged).partition(": ")[2]
    rounds = intact_rounds(manifest, broken) if record else 0
    tables = {}
    for name in TABLES:
        rows = rows_by_round((path / name).read_bytes()) if rounds else {}
        tables[name] = b"".join(rows[b"%d" % round] for round in range(rounds))
    lines = [f"{place}: {what}" for place, what in broken.items()]
    return Kept(path, record, (path / "manifest.json").exists(), rounds, manifest.upto(rounds), tables, lines)
