"""Rows of a comparison as tables of the terminal."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lth_cli.core.spelling import clean
from lth_cli.report.columns import SUMMARY, Column, of_comparison, with_content
from lth_cli.report.terminal import Terminal
from lth_cli.results.compare import Row

_STYLE = {"winning": "bold green", "matching": "green", "below": "red"}
_GAP = 2  # characters between two columns
_DEAR = 9


def compared(console: Terminal, rows: Sequence[Row]) -> list[Column]:
    """Print a line per row, under the name of its experiment or of several, in columns that fit the console.

    Where they do not, the least dear are left out, then cells are shortened, and at last lines are longer than it.

    Returns:
        The columns.
    """
    columns = fitting(rows, console.width)
    widths = [_width(column, rows) for column in columns]
    gap = _GAP if sum(widths) + _GAP * (len(widths) - 1) <= console.width else 1
    for name, members in groupby(rows, key=lambda row: row.group):
        if name:
            console.say(name, style="bold")
        table = Table(header_style="dim", box=None, pad_edge=False, padding=(0, gap, 0, 0))
        for column, width in zip(columns, widths, strict=True):
            table.add_column(escape(clean(column.title)), justify=_justify(column), no_wrap=True, min_width=width)
        for row in members:
            style = _STYLE.get(row.verdict, "") if row.arm == "winning" else ""
            table.add_row(*(escape(clean(column.cell(row))) for column in columns), style=style)
        show(console, table, "")
    return columns


def fitting(rows: Sequence[Row], width: int) -> list[Column]:
    """The columns that fit a width, of those that hold anything."""
    columns = with_content(of_comparison(rows), rows)
    if any(len(set(rounds)) > 1 for rounds in _rounds(rows)):
        columns = [replace(column, keep=_DEAR) if column.title == "round" else column for column in columns]

    def fit() -> bool:
        return sum(_width(column, rows) + _GAP for column in columns) - _GAP <= width

    for column in sorted(columns, key=lambda column: column.keep):
        if fit() or column.keep == _DEAR:
            break
        columns.remove(column)
    if not fit():
        columns = [replace(c, title=c.short[0], cell=c.short[1]) if c.short else c for c in columns]
    return columns


def summary(rows: Sequence[Row]) -> Table:
    """A column per arm, for the end of a run."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for row in rows:
        table.add_column(
            escape(clean(row.arm)), justify="right", no_wrap=True, style="green" if row.arm == "winning" else ""
        )
    for column in SUMMARY:
        if any(cells := [escape(clean(column.cell(row))) for row in rows]):
            table.add_row(column.title, *cells)
    return table


def show(console: Console, table: Table, *below: str) -> None:
    """Print at full width, as a table that is cut off says something else, with lines below it."""
    width = console.width
    console.width = max(width, Console(width=1000, emoji=False).measure(table).maximum)
    console.print(table)
    console.width = width
    for line in below:
        console.print(clean(line), highlight=False, markup=False, soft_wrap=True)


def _rounds(rows: Sequence[Row]) -> Iterable[list[int]]:
    """Those of the arms that are pruned, by experiment."""
    found: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.round > 0:
            found[row.run].append(row.round)
    return found.values()


def _width(column: Column, rows: Sequence[Row]) -> int:
    return max(len(column.title), *(len(clean(column.cell(row))) for row in rows))


def _justify(column: Column) -> Literal["left", "right"]:
    return "left" if column.left else "right"
