"""What a resumed run goes on from: the rounds of its directory that are as they were written. torch is not imported."""

from dataclasses import dataclass
from pathlib import Path

from lth_cli.rundir import names, within
from lth_cli.rundir.claims import changed
from lth_cli.rundir.columns import TABLES
from lth_cli.rundir.damaged import Damaged, OutOfReach
from lth_cli.rundir.manifest import Manifest, damage, intact_rounds, sha256
from lth_cli.rundir.record import Record, read_record
from lth_cli.rundir.tables import filled, rows_by_round, younger


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


def reopen(path: Path) -> Intact:
    """Read what is intact of a run directory, checked against its manifest; nothing in it is executed.

    Raises:
        OutOfReach: a file of it cannot be read here and now.
    """
    broken = dict[str, str]()
    record, manifest = Record(), Manifest()
    try:
        record = read_record(path)
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
    if lost:
        broken[names.RECORD] = f"{', '.join(lost)}: not what was written"
    record = {key: value for key, value in record.items() if key not in lost or key == "format"}
    rounds = intact_rounds(manifest, broken) if record and "data_sha256" not in lost else 0
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
