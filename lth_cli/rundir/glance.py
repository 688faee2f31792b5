"""What run.json and history.csv say of a run at a glance, while it works too. Nothing in it is executed or locked."""

import csv
import io
import os
import shlex
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from lth_cli.core.arms import DENSE, WINNING
from lth_cli.rundir import names
from lth_cli.rundir.columns import HISTORY
from lth_cli.rundir.damaged import Damaged, parsed
from lth_cli.rundir.record import Record, read_record, status

STATUSES = ("done", "running", "failed", "interrupted", "killed", "damaged", "foreign")
"""What a folder can be; foreign: no run is in it."""

_SETTLED = 3.0  # seconds without a change, after which what cannot be read was not only being written
_STARTING = 120.0  # seconds that a run may take until it has a record
_ATTEMPTS, _AGAIN = 3, 0.05  # to read a file that is being written, and the seconds between them
_MOST_ROWS = 100_000
_LONGEST = 2000  # characters of a command and of other texts of run.json that are looked at
_LONGEST_ERROR = 10_000
_KEPT = ("status", "host", "pid", "started", "ended", "command", "iterations")
_READ = ("round", "arm", "seed", "density", "val_accuracy")
_COLUMNS = {column.name: column for column in HISTORY if column.name in _READ}


@dataclass(frozen=True)
class Point:
    """An arm after a round, the means over its seeds.

    Args:
        density: in [0, 1].
        val_accuracy: in [0, 1], at the end of training.
    """

    round: int
    density: float
    val_accuracy: float


@dataclass(frozen=True)
class Glance:
    """A run directory at a glance.

    Args:
        status: one of STATUSES.
        when: when it began, in seconds since 1970; where it does not say, when its folder last changed.
        what: what is wrong with it, or what stopped it; empty if nothing.
        record: what is needed of run.json, its texts cut; empty where it cannot be read.
        rounds: how many the run has, without round 0; None where it does not say.
        dense: round 0, once it is written.
        winning: the winning ticket of each finished round, in order.
    """

    path: Path
    status: str
    when: float
    what: str = ""
    record: Record = field(default_factory=dict)
    rounds: int | None = None
    dense: Point | None = None
    winning: tuple[Point, ...] = ()

    @property
    def round(self) -> int | None:
        """The last finished one; None before the end of round 0."""
        points = [*([self.dense] if self.dense is not None else []), *self.winning]
        return max((point.round for point in points), default=None)

    @property
    def best(self) -> Point | None:
        """The winning ticket of the best validation accuracy; of equal ones, the sparsest."""
        return max(self.winning, key=lambda point: (point.val_accuracy, -point.density), default=None)

    @property
    def overrides(self) -> list[str]:
        """Of its command, which may be cut off."""
        command = str(self.record.get("command", ""))
        try:
            words = shlex.split(command)
        except ValueError:  # cut within a quote, or no command
            words = command.split()
        return [word for word in words[2:] if not word.startswith("-")]


def glance(path: Path) -> Glance:
    """A run directory at a glance; what is being written is read again, and never an error."""
    what = ""
    for _ in range(_ATTEMPTS):
        try:
            return _read(path)
        except Damaged as damaged:
            what = str(damaged).removeprefix(f"{path}{os.sep}")
        if is_settled(path):
            break
        time.sleep(_AGAIN)
    if not os.path.lexists(path / names.RECORD) and _age(path) < _STARTING:
        return Glance(path, "running", changed(path))
    return Glance(path, "damaged", changed(path), what)


def is_settled(path: Path) -> bool:
    """Whether nothing of what a glance reads has changed for some seconds."""
    return _age(path) >= _SETTLED


def stamp(path: Path) -> tuple[tuple[int, int, int], ...]:
    """Another one whenever a glance may see something else, apart from the death of a process."""
    found = []
    for name in (names.RECORD, names.HISTORY):
        try:
            seen = os.lstat(path / name)
            found.append((seen.st_mtime_ns, seen.st_size, seen.st_ino))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)


def changed(path: Path) -> float:
    """When a folder or what a glance reads of it last changed, in seconds since 1970."""
    times = [one[0] / 1e9 for one in stamp(path)]
    with suppress(OSError):
        times.append(path.lstat().st_mtime)
    return max(times)


def seconds(text: object, otherwise: float) -> float:
    """A time as run.json has them, in seconds since 1970."""
    try:
        found = datetime.fromisoformat(str(text))
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return otherwise


def _read(path: Path) -> Glance:
    record = read_record(path)
    points: dict[str, list[Point]] = {}
    if os.path.lexists(path / names.HISTORY):
        points = parsed(path, names.HISTORY, _points)
    now = status(record)
    dense, winning = points.get(DENSE, []), points.get(WINNING, [])
    seen = Glance(
        path,
        now,
        seconds(record.get("started"), changed(path)),
        str(record.get("error") or "")[:_LONGEST_ERROR],
        {**_short(record, _KEPT), "resumed": [_short(one, ("at", "round")) for one in record.get("resumed", [])[-1:]]},
        len(record["keep"]) - 1 if record.get("keep") else None,
        dense[0] if dense else None,
        tuple(winning),
    )
    if now == "done" and not record.get("diverged") and (seen.round is None or seen.round < (seen.rounds or 0)):
        raise Damaged(f"{path / names.HISTORY}: rounds are missing, although the run is done")
    return seen


def _short(node: Mapping[str, Any], keys: Iterable[str]) -> dict[str, str | int]:
    """Texts and whole numbers alone, as run.json may have megabytes and there may be thousands of them."""
    found = ((key, node.get(key)) for key in keys)
    return {k: v[:_LONGEST] if isinstance(v, str) else v for k, v in found if isinstance(v, str | int)}


def _points(text: str) -> dict[str, list[Point]]:
    """The dense network of round 0 and the winning tickets; raises ValueError, TypeError, csv.Error, KeyError."""
    if (lines := text.count("\n")) > _MOST_ROWS:
        raise ValueError(f"{lines:,} rows; at most {_MOST_ROWS:,} are read")
    rows = csv.reader(io.StringIO(text))
    header = next(rows, [])
    if lost := [name for name in _READ if name not in header]:
        raise ValueError(f"no column {', '.join(lost)}")
    places = [header.index(name) for name in _READ]
    found: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"line {rows.line_num}: {len(row)} cells of {len(header)}")
        cells = dict(zip(_READ, (row[place] for place in places), strict=True))
        if cells["arm"] in (DENSE, WINNING):
            typed = {name: _COLUMNS[name].parser(cell) for name, cell in cells.items()}
            if wrong := [name for name in _READ if not _COLUMNS[name].allows(typed[name])]:
                raise ValueError(f"line {rows.line_num}: {wrong[0]} is {cells[wrong[0]][:40]}")
            found[typed["arm"], typed["round"]].append((typed["density"], typed["val_accuracy"]))
    points: dict[str, list[Point]] = defaultdict(list)
    for (arm, round), values in sorted(found.items()):
        density, accuracy = map(fmean, zip(*values, strict=True))
        points[arm].append(Point(round, density, accuracy))
    return points


def _age(path: Path) -> float:
    """Seconds since then; what is of the future is old."""
    age = time.time() - changed(path)
    return age if age >= 0 else _STARTING
