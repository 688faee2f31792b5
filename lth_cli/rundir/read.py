"""Reading a run directory. Nothing in it is executed, and torch is not imported."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_cli.core.arms import DENSE, MOST, WINNING
from lth_cli.rundir import names
from lth_cli.rundir.columns import HISTORY
from lth_cli.rundir.config import parse_config
from lth_cli.rundir.damaged import Damaged, OutOfReach, parsed
from lth_cli.rundir.record import Record, read_record, status
from lth_cli.rundir.tables import Row, parse_table

__all__ = ["Damaged", "OutOfReach", "Run", "read"]


@dataclass(frozen=True)
class Run:
    """What is read back of a run directory.

    Args:
        status: done, failed, interrupted, running, or killed: it says running, but its process is gone.
        record: run.json.
        config: config.yaml.
        history: rows of history.csv, typed and within their ranges.
    """

    path: Path
    status: str
    record: Record
    config: dict[str, Any]
    history: list[Row]


def read(path: Path, kept: dict[str, bytes] | None = None) -> Run:
    """Read a run directory; nothing in it is executed.

    Args:
        kept: where the bytes of config.yaml and history.csv are to be put, by their names.

    Raises:
        Damaged: a file is missing, cannot be parsed, says what cannot be, or needs a newer version of lth.
    """
    record, config = read_record(path), parsed(path, names.CONFIG, parse_config, kept)
    file = path / names.HISTORY
    history = list[Row]()
    if os.path.lexists(file):
        history = parsed(path, names.HISTORY, lambda text: _checked(text, record["format"]), kept)
    if record["status"] == "done":
        _check_complete(file, record, history)
    return Run(path, status(record), record, config, history)


def _checked(text: str, version: int) -> list[Row]:
    """The rows of history.csv; raises ValueError where one says what cannot be."""
    history = parse_table(text, names.HISTORY, version)
    there = set[names.Key]()
    if (arms := len({row["arm"] for row in history})) > MOST:
        raise ValueError(f"{arms:,} arms; at most {MOST} are read")
    for line, row in enumerate(history, start=2):
        there.add((row["round"], row["arm"], row["seed"]))
        if len(there) < line - 1:
            raise ValueError(f"line {line}: a second row of the same round, arm and seed")
        for column in HISTORY:
            if not column.allows(row[column.name]):
                raise ValueError(f"line {line}: {column.name} is {row[column.name]}")
        if not names.is_arm(row["arm"]):
            raise ValueError(f"line {line}: arm is {row['arm'][:40]!r}")
        untrained = row["iterations"] == 0 and row["arm"] != DENSE
        if (row["early_stop_iteration"] < 1 and not untrained) or row["remaining"] > row["total"]:
            raise ValueError(f"line {line}: numbers that cannot be")
    return history


def _check_complete(path: Path, record: Record, history: list[Row]) -> None:
    """Of a run that is done, each round of each seed must be there, up to where it diverged."""
    there = {(row["round"], row["seed"]) for row in history if row["arm"] in (DENSE, WINNING)}
    rounds = len(record.get("keep", [0]))
    end = dict.fromkeys(record.get("seeds", []), rounds)
    for one in record.get("diverged", []):
        if one["arm"] in (DENSE, WINNING) and one["seed"] in end:
            end[one["seed"]] = min(end[one["seed"]], one["round"])
    # Up to the first one that is missing of each seed: a short run.json may name millions of them.
    first = ((next((k for k in range(last) if (k, seed) not in there), last), seed) for seed, last in end.items())
    lost = [(round, seed) for round, seed in first if round < end[seed]]
    if not history or lost:
        missing = min(lost, default=(0, 0))
        raise Damaged(f"{path}: round {missing[0]} of seed {missing[1]} is missing, although the run is done")
