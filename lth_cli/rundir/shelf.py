"""What is at or below some folders: runs, sweeps with their jobs, and folders in which there is neither."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lth_cli.core.files import held
from lth_cli.rundir import names
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.find import days
from lth_cli.rundir.glance import Glance, changed, glance
from lth_cli.rundir.record import status
from lth_cli.rundir.sweep import read_sweep

_DEEPEST = 100
_PATIENCE, _PATIENT = 30.0, 600.0  # seconds until the next job of a sweep must have begun

Look = Callable[[Path], Glance]


@dataclass(frozen=True)
class Group:
    """A run alone, or a sweep with its jobs.

    Args:
        path: of the sweep; None: a run alone.
        expected: how many jobs a sweep was started for; None where it does not say.
        runs: newest first.
    """

    path: Path | None
    expected: int | None
    runs: tuple[Glance, ...]

    @property
    def when(self) -> float:
        """When the newest of its runs began, in seconds since 1970."""
        return max((run.when for run in self.runs), default=0.0)

    @property
    def missing(self) -> int:
        """How many jobs of a sweep are not there."""
        return max(0, (self.expected or 0) - sum(run.status != "foreign" for run in self.runs))

    @property
    def is_at_work(self) -> bool:
        """Whether anything runs. Between two jobs of a sweep nothing does: so it may take a while until its next.

        Longer where the process of its newest job is alive, as it may hand out all of them.
        """
        if any(run.status == "running" for run in self.runs):
            return True
        if self.path is None or not self.missing:
            return False
        newest = max((run for run in self.runs if run.record), key=lambda run: changed(run.path), default=None)
        quiet = time.time() - max(changed(self.path), 0.0 if newest is None else changed(newest.path))
        alive = newest is not None and status({**newest.record, "status": "running"}) == "running"
        if newest is not None and newest.status in ("interrupted", "killed") and not alive:
            return False
        return 0 <= quiet < (_PATIENT if alive else _PATIENCE)

    def only(self, statuses: Iterable[str]) -> "Group":
        """With the runs of some statuses alone."""
        return replace(self, runs=tuple(run for run in self.runs if run.status in statuses))


def groups(paths: Iterable[Path], look: Look = glance) -> list[Group]:
    """All that is at or below some folders, newest first; a folder without a run is one, too, whatever is below it.

    Hidden folders are left out, and links below these folders are not followed.

    Args:
        look: what says how a run is.
    """
    found = {one.path or one.runs[0].path: one for path in paths for one in _scan(path, path, look)}
    return sorted(found.values(), key=lambda group: group.when, reverse=True)


def newest(output: Path) -> Path | None:
    """The run or sweep of an output folder that began last, or whose job did."""
    for day in sorted(days(output), reverse=True):
        for group in groups([day]):
            if group.path is not None or group.runs[0].status != "foreign":
                return group.path or group.runs[0].path
    return None


def _scan(path: Path, above: Path, look: Look, depth: int = 0) -> Iterator[Group]:
    there, folders = _listed(path)
    if names.RECORD in there or ".hydra" in there:
        yield Group(None, None, (_looked(path, above, look),))
        return
    below = [one for name in folders if depth < _DEEPEST for one in _scan(path / name, above, look, depth + 1)]
    if names.SWEEP in there or names.HYDRA_SWEEP in there:
        runs = sorted((run for one in below for run in one.runs), key=lambda run: run.when, reverse=True)
        yield Group(path, _expected(path), tuple(runs))
    elif all(run.status == "foreign" for one in below for run in one.runs) and not any(one.path for one in below):
        if depth > 0 or any(not name.startswith(".") for name in there):
            yield Group(None, None, (_foreign(path, there),))
    else:
        yield from below


def _looked(path: Path, above: Path, look: Look) -> Glance:
    """How the run in a folder is that was found, and in nothing that took its name since."""
    try:
        with held(path, above):
            return look(path)
    except OSError as error:
        return Glance(path, "damaged", changed(path), error.strerror or "")


def _listed(path: Path) -> tuple[set[str], list[str]]:
    """The names in a folder, and of them those of folders to look into."""
    try:
        with os.scandir(path) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:
        return set(), []
    return {name for name, _ in found}, sorted(name for name, folder in found if folder and not name.startswith("."))


def _foreign(path: Path, there: set[str]) -> Glance:
    try:
        when = path.lstat().st_mtime
    except OSError:
        when = 0.0
    return Glance(path, "foreign", when, "no run is in it" if there else "an empty folder")


def _expected(path: Path) -> int | None:
    try:
        return read_sweep(path)[0]
    except Damaged:
        return None
