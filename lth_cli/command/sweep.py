"""The end of a sweep: how its jobs ended, what is told of it, and whether anything is left to keep."""

import re
from pathlib import Path

from lth_cli.command.explain import failure, first_line
from lth_cli.report.sweep import Ended, summary
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.find import find
from lth_cli.rundir.folders import Folder, discard
from lth_cli.rundir.read import read


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
    return f"{', '.join(killed) or 'a job'}: the worker process ended early, {', '.join(signals)}{memory}"


def _ended(folder: Path) -> Ended:
    try:
        run = read(folder)
    except Damaged as damaged:
        return Ended(folder, "damaged", str(damaged), worked=False)
    return Ended(folder, run.status, run.record.get("error", ""), worked="seeds" in run.record)
