"""Where the time of a run went, as a table."""

from collections.abc import Mapping

from rich import box
from rich.table import Table


def times(seconds: Mapping[str, float], rounds: int) -> Table:
    """Parts of a run, the longest first.

    Args:
        seconds: by part, over the whole run.
        rounds: of the run, with round 0.
    """
    table = Table("part", box=box.SIMPLE_HEAD, title=f"where the time of {rounds} rounds goes")
    for title in ("seconds", "seconds per round", "share"):
        table.add_column(title, justify="right")
    total = sum(seconds.values())
    for part, spent in sorted(seconds.items(), key=lambda item: -item[1]):
        table.add_row(part, f"{spent:.2f}", f"{spent / rounds:.3f}", f"{spent / total:.1%}")
    return table
