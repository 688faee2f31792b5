"""What a sweep says when it ends."""

from collections import Counter

from rich.console import Console

from lth_cli.rundir.find import find
from lth_cli.rundir.folders import Folder, discard
from lth_cli.rundir.read import Damaged, read


def summary(sweep: Folder, expected: int) -> int:
    """Print how many jobs ended how, name those that did not end well, and return the exit code.

    If no job did any work, the sweep is removed again.

    Args:
        sweep: its folder.
        expected: how many jobs there must be, at least.
    """
    console = Console()
    statuses: Counter[str] = Counter()
    worked = False
    for folder in find(sweep.path):
        try:
            run = read(folder)
            status, error, worked = run.status, run.record.get("error", ""), worked or "seeds" in run.record
        except Damaged as damaged:
            status, error = "damaged", str(damaged)
        statuses[status] += 1
        if status != "done":
            _say(console, f"{status}: {folder}{f': {error}' if error else ''}")
    if (lost := expected - sum(statuses.values())) > 0:
        statuses["without a folder of their own"] = lost
    if not worked:
        discard(sweep)
        _say(console, f"no job of the sweep could start; {sweep.path} is removed")
        return 2
    _say(console, f"{', '.join(f'{count} {status}' for status, count in sorted(statuses.items()))} in {sweep.path}")
    return 0 if set(statuses) == {"done"} else 1


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
