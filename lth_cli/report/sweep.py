"""What a sweep says when it ends."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lth_cli.core.spelling import brief
from lth_cli.report.terminal import Terminal


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
