"""What a sweep was to be, as its record says, and what is there of it. Nothing in it is executed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lth_cli.core.spelling import brief, clean
from lth_cli.rundir import names, within
from lth_cli.rundir.config import parse_yaml
from lth_cli.rundir.damaged import Damaged, parsed
from lth_cli.rundir.find import find, walk
from lth_cli.rundir.record import read_record

_MOST_NAMED = 5
_MOST_EXPECTED = 10**9


@dataclass(frozen=True)
class Sweep:
    """A sweep on disk.

    Args:
        expected: how many jobs it was started for; None where an older version of lth did not record it.
        found: how many runs are there, whatever their status.
        missing: the names of jobs that are not there, as far as names are recorded.
    """

    path: Path
    expected: int | None
    found: int
    missing: list[str]

    @property
    def lacks(self) -> bool:
        """Whether a job is missing."""
        return bool(self.missing) or self.found < (self.expected or 0)

    def __str__(self) -> str:
        path = clean(str(self.path))
        if self.expected is None:
            return f"{path}: {self.found} jobs found, the sweep does not say how many were expected"
        named = ", ".join(self.missing[:_MOST_NAMED]) + (", …" if len(self.missing) > _MOST_NAMED else "")
        lost = f"; missing: {brief(clean(named))}" if named else ""
        return f"{path}: {self.expected} jobs expected, {self.found} found{lost}"


def sweeps(paths: Iterable[Path]) -> list[Sweep]:
    """The sweeps at or below folders; one whose record is damaged does not say what was expected."""
    return [_sweep(folder) for folder in dict.fromkeys(folder for path in paths for folder in _folders(path))]


def ended(path: Path, since: str) -> tuple[int, int]:
    """How many jobs of a sweep were done before a time, and how many have ended since, however they ended.

    Args:
        since: as run.json has its times.
    """
    before = after = 0
    for folder in find(path):
        try:
            record = read_record(folder)
        except Damaged:
            continue
        if str(record.get("ended") or "") >= since:
            after += 1
        elif record["status"] == "done":
            before += 1
    return before, after


def read_sweep(path: Path) -> tuple[int | None, list[str], str | None]:
    """How many jobs a sweep has, their names, and its command, as far as it says so; raises Damaged."""
    return parsed(path, names.SWEEP, _parse)


def hydras_overrides(path: Path) -> list[str]:
    """What Hydra recorded that a sweep was last run with; raises what is in `UNREADABLE` where it is no such record."""
    found = parse_yaml(within.read(path, names.HYDRA_SWEEP).decode())["hydra"]["overrides"]["task"]
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError("no list of overrides")
    return found


def _folders(path: Path) -> list[Path]:
    found = []
    for folder, folders, files in walk(path):
        if names.RECORD in files:
            folders.clear()
        elif names.SWEEP in files:
            found.append(Path(folder))
            folders.clear()
    return found


def _sweep(path: Path) -> Sweep:
    try:
        expected, jobs, _ = read_sweep(path)
    except Damaged:
        expected, jobs = None, []
    found = find(path)
    there = {str(run.relative_to(path)) for run in found}
    return Sweep(path, expected, len(found), [name for name in jobs if name not in there])


def _parse(text: str) -> tuple[int | None, list[str], str | None]:
    record = json.loads(text)
    if not isinstance(record, dict):
        raise ValueError("not the record of a sweep")
    expected, jobs = record.get("expected"), record.get("jobs", [])
    if expected is not None and (type(expected) is not int or not 0 <= expected < _MOST_EXPECTED):
        raise ValueError(f"expected is {str(expected)[:40]}")
    if not isinstance(jobs, list) or not all(isinstance(name, str) for name in jobs):
        raise ValueError(f"jobs is {str(jobs)[:40]}")
    command = record.get("command")
    return expected, jobs, command if isinstance(command, str) else None
