"""What a sweep says: of a job that is at work, and when it ends."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from lth_cli.core.spelling import brief
from lth_cli.report.terminal import Terminal


@dataclass(frozen=True)
class Place:
    """The place of a job in its sweep, when it begins.

    Args:
        number: of the job, from 1.
        jobs: how many there are, or None where only Hydra knows.
        label: what was swept, as ``rewind=early seed=3``.
        ended: how many jobs have ended.
        each: seconds from the end of one job to that of the next, at the pace so far; None until one has ended.
    """

    number: int
    jobs: int | None
    label: str
    ended: int
    each: float | None

    def __str__(self) -> str:
        return f"job {self.number}{'' if self.jobs is None else f'/{self.jobs}'} {self.label}".rstrip()

    def left(self, of_this: float | None = None) -> str:
        """The time left of the whole sweep, as ``0:12:30``; empty where it is not known.

        Args:
            of_this: seconds left of this job; None takes it to be as long as the others.
        """
        if self.jobs is None or self.each is None:
            return ""
        others = max(0, self.jobs - self.ended - 1)
        return clock(self.each * others + (self.each if of_this is None else of_this))


_LONGEST = 1e9  # seconds, thirty years: times on disk may say anything


def clock(seconds: float) -> str:
    """As ``0:12:30``."""
    return str(timedelta(seconds=round(min(max(seconds, 0.0), _LONGEST))))


@dataclass(frozen=True)
class Ended:
    """A job of a sweep that ended.

    Args:
        folder: of the run.
        status: of the run, or damaged.
        error: what stopped it; empty if nothing did.
        worked: whether it was found right, and began.
    """

    folder: Path
    status: str
    error: str
    worked: bool


def summary(path: Path, jobs: Sequence[Ended], lost: int, removed: bool) -> None:
    """Print how many jobs ended how, and name those that did not end well.

    Args:
        path: of the sweep.
        lost: how many jobs more there must have been.
        removed: whether the folder of the sweep is no longer there.
    """
    console = Terminal()
    for job in jobs:
        if job.status != "done":
            error = " ".join(map(str.strip, job.error.splitlines()))
            console.say(f"{job.status}: {job.folder}{f': {brief(error)}' if error else ''}")
    if removed:
        console.say(f"no job of the sweep could start; {path} is removed")
        return
    counts = Counter(job.status for job in jobs)
    if lost:
        counts["without a folder of their own"] = lost
    console.say(f"{', '.join(f'{count} {status}' for status, count in sorted(counts.items()))} in {path}")
