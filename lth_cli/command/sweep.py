"""A sweep: where a job stands in it; how its jobs ended, what is told of it, and whether anything is left to keep."""

import os
import platform
import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lth_cli.command.explain import failure, first_line
from lth_cli.core.files import held
from lth_cli.core.spelling import brief, clean
from lth_cli.report.sweep import Ended, Place, summary
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.find import find
from lth_cli.rundir.folders import Folder, discard
from lth_cli.rundir.read import read
from lth_cli.rundir.sweep import ended

_LONGEST = 40
_SHARE = 0.02  # of a sweep's time that may go into looking how far it is
_looked: dict[Path, tuple[float, tuple[int, int]]] = {}  # by sweep: when to look again, and what was there


@dataclass(frozen=True)
class Sweep:
    """What every job of a sweep is told, in whichever process it works.

    Args:
        path: its folder.
        jobs: how many there are, or None where only Hydra knows.
        keys: what is swept.
        folder: what tells the folder, on this machine, from one that takes its name while the sweep goes on.
        began: when this command began, in seconds since 1970: clocks of several machines have no other zero.
        pid: of the process that hands out the jobs.
        host: its machine.
    """

    path: Path
    jobs: int | None
    keys: Sequence[str]
    folder: tuple[int, int]
    began: float = field(default_factory=time.time)
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=platform.node)

    def held_by_workers(self) -> AbstractContextManager[None]:
        """Hold its folder in a process that does not hold it yet; raises OSError where that is another one now."""
        if self.pid == os.getpid():
            return nullcontext()
        return held(Path(os.path.abspath(self.path)), only=self.folder if self.host == platform.node() else None)

    def place(self, number: int, overrides: Sequence[str]) -> Place:
        """Where a job stands when it begins.

        Args:
            number: from 1.
            overrides: of the job.
        """
        swept = [text for text in overrides if text.lstrip("+~").partition("=")[0] in self.keys]
        label = brief(" ".join(swept or overrides), lines=1, width=_LONGEST)
        before, after = self._ended()
        each = (time.time() - self.began) / after if after else None
        return Place(number, self.jobs, label, before + after, each)

    def _ended(self) -> tuple[int, int]:
        """How many jobs were done before this command, and how many have ended since, as this process saw it last."""
        now = time.monotonic()
        due, counts = _looked.get(self.path, (now, (0, 0)))
        if now >= due:
            counts = ended(self.path, datetime.fromtimestamp(self.began, UTC).isoformat(timespec="seconds"))
            _looked[self.path] = now + (time.monotonic() - now) / _SHARE, counts
        return counts


def end(sweep: Folder, expected: int, ours: bool) -> int:
    """Say how many jobs ended how, and return the exit code.

    Args:
        sweep: its folder.
        expected: how many jobs there must be, at least.
        ours: whether this command made the folder; it is removed again if no job did any work.
    """
    jobs = [_ended(folder) for folder in find(sweep.path)]
    lost = max(0, expected - len(jobs))
    worked = any(job.worked for job in jobs)
    if ours and not worked:
        discard(sweep)
    summary(sweep.path, jobs, lost, removed=ours and not worked)
    if not worked:
        return 2
    return 0 if not lost and all(job.status == "done" for job in jobs) else 1


def stopped(sweep: Folder, error: Exception) -> str:
    """What stopped a launcher: the jobs and the signal, where it tells of a worker process that was ended by one."""
    signals = sorted(set(re.findall(r"SIG[A-Z]+", str(error))))
    if not signals:
        return f"the launcher stopped: {failure(error) or first_line(error)}"
    killed = [job.folder.name for job in map(_ended, find(sweep.path)) if job.status == "killed"]
    memory = "; out of memory?" if "SIGKILL" in signals else ""
    return f"{clean(', '.join(killed)) or 'a job'}: the worker process ended early, {', '.join(signals)}{memory}"


def _ended(folder: Path) -> Ended:
    try:
        run = read(folder)
    except Damaged as damaged:
        return Ended(folder, "damaged", str(damaged), worked=False)
    return Ended(folder, run.status, run.record.get("error", ""), worked="seeds" in run.record)
