"""What a sweep says when it ends."""

from collections import Counter
from pathlib import Path

from rich.console import Console

from lth_cli.rundir.read import Damaged, find, read


def summary(path: Path) -> int:
    """Print how many jobs ended how, name those that did not end well, and return the exit code."""
    console = Console()
    statuses: Counter[str] = Counter()
    for folder in find(path):
        try:
            run = read(folder)
            status, error = run.status, run.record.get("error", "")
        except Damaged as damaged:
            status, error = "damaged", str(damaged)
        statuses[status] += 1
        if status != "done":
            console.print(
                f"{status}: {folder}{f': {error}' if error else ''}", highlight=False, markup=False, soft_wrap=True
            )
    counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
    console.print(f"{counts} in {path}", highlight=False, markup=False, soft_wrap=True)
    return 0 if set(statuses) == {"done"} else 1
