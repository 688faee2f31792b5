"""Rows of a comparison as a rich table, markdown, CSV or JSON."""

import csv
import html
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from typing import Literal

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lth_cli.core.metrics import Metric, further
from lth_cli.core.spelling import clean
from lth_cli.results.compare import Row
from lth_cli.rundir.sweep import Sweep

Column = tuple[str, Callable[[Row], str]]

_VERDICT_STYLE = {"winning": "bold green", "matching": "green", "below": "red"}


def _points(value: float | None, margin: float | None = None) -> str:
    if value is None:
        return ""
    return f"{value:+.2f}" if margin is None else f"{value:+.2f} ± {margin:.2f}"


def _accuracy(row: Row) -> str:
    return f"{100 * row.accuracy:.2f}" + ("" if row.spread is None else f" ± {100 * row.spread:.2f}")


def _early_stop(row: Row) -> str:
    """None without training. A minimum at the end of it is a lower bound, and its ratio to dense says nothing."""
    if row.early_stop == 0:
        return ""
    if row.early_stop_at_end:
        return f"≥ {row.early_stop:,.0f}"
    return f"{row.early_stop:,.0f} ({row.early_stop_ratio:.2f}x)"


def _vs_dense(row: Row) -> str:
    return "" if row.arm == "dense" else _points(row.difference, row.interval)


def _further(metric: Metric) -> Column:
    """A column of a metric beside loss and accuracy; a fraction in percent."""

    def cell(row: Row) -> str:
        value = row.further[metric.column("test")]
        if value is None:
            return ""
        return f"{100 * value:.2f}" if metric.top == 1 else f"{value:.4g}"

    return f"test {metric.name}{' %' if metric.top == 1 else ''}", cell


_DENSITY: Column = ("density", lambda row: density(row.density))
_MEASURED: tuple[Column, ...] = (("test accuracy %", _accuracy), *map(_further, further()))
_GAP: Column = ("winning − control", lambda row: _points(row.gap))
_EARLY: Column = ("early stop", lambda row: _early_stop(row))

COMPARE: tuple[Column, ...] = (
    ("run", lambda row: row.run),
    ("round", lambda row: str(row.round)),
    ("arm", lambda row: row.arm),
    ("seeds", lambda row: str(row.seeds)),
    _DENSITY,
    *_MEASURED,
    ("vs dense", _vs_dense),
    _GAP,
    _EARLY,
    ("verdict", lambda row: row.verdict),
)
SUMMARY: tuple[Column, ...] = (
    ("round", lambda row: str(row.round)),
    ("seeds", lambda row: str(row.seeds)),
    ("parameters kept", lambda row: f"{row.parameters_kept:,}"),
    ("prunable kept", lambda row: f"{row.remaining:,}"),
    _DENSITY,
    *_MEASURED,
    ("retained of dense %", lambda row: "" if row.retained is None else f"{100 * row.retained:.1f}"),
    _GAP,
    _EARLY,
    ("time", lambda row: f"{row.seconds:.1f} s"),
)


def density(value: float) -> str:
    """Four decimals, or as many as it takes to see something."""
    return f"{value:.4f}" if value >= 0.001 else f"{value:.1e}"


def legend(rows: Sequence[Row], tolerance: float) -> list[str]:
    """What the numbers mean, in a few lines."""
    lines = [
        "winning: above dense beyond the 95% interval over seeds; "
        f"below: more than {tolerance:g} points below dense; matching: neither.",
        "test accuracy: at the end of training, ± standard deviation over seeds; vs dense: points, by seed, ± 95% "
        "interval.",
        "early stop: iteration of minimum validation loss, over that of dense; ≥: still falling when training ended.",
    ]
    if any(row.seeds == 1 for row in rows):
        lines.append(f"One seed has no spread: there, winning is more than {tolerance:g} points above dense.")
    return lines


def comparison(rows: Sequence[Row]) -> Table:
    """A line per row, for the terminal; a rule between experiments."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for title, _ in COMPARE:
        table.add_column(title, justify=_justify(title), no_wrap=True)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        style = _VERDICT_STYLE.get(row.verdict, "") if row.arm == "winning" else ""
        table.add_row(*(escape(clean(cell(row))) for _, cell in COMPARE), style=style)
        if following is not None and following.run != row.run:
            table.add_section()
    return table


def summary(rows: Sequence[Row]) -> Table:
    """A column per arm, for the end of a run."""
    table = Table(header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for row in rows:
        table.add_column(
            escape(clean(row.arm)), justify="right", no_wrap=True, style="green" if row.arm == "winning" else ""
        )
    for title, cell in SUMMARY:
        table.add_row(title, *(escape(clean(cell(row))) for row in rows))
    return table


def show(console: Console, table: Table, *below: str) -> None:
    """Print at full width, as a table that is cut off says something else, with lines below it."""
    console.width = max(console.width, Console(width=1000, emoji=False).measure(table).maximum)
    console.print(table)
    for line in below:
        console.print(clean(line), highlight=False, markup=False, soft_wrap=True)


def _justify(title: str) -> Literal["left", "right"]:
    return "left" if title in ("run", "arm", "verdict") else "right"


def markdown(rows: Sequence[Row]) -> str:
    """A GitHub table."""
    lines = ["| " + " | ".join(title for title, _ in COMPARE) + " |"]
    lines.append("|" + "|".join(" --- " if _justify(title) == "left" else " ---: " for title, _ in COMPARE) + "|")
    lines += ["| " + " | ".join(in_markdown(cell(row)) for _, cell in COMPARE) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def in_markdown(text: str) -> str:
    """Text that is neither HTML nor a link, a picture, a mark, a formula, a list, a heading or the end of a cell.

    What GitHub looks for in the finished text, such as @name, #12 and :name:, no backslash hides; a comment parts it.
    """
    text = re.sub(r"[\\`*|~$]|://|(?<=www)\.|(?<=\])[(:]", r"\\\g<0>", html.escape(clean(text).strip(), quote=False))
    text = re.sub(r"(?i:@(?=\w)|#(?=\d)|\bgh-(?=\d)|:(?=[\w+-]+:))", r"\g<0><!-- -->", text)
    text = re.sub(r"((?<=[^\W_])_+(?=[^\W_]))|_", lambda found: found[1] or r"\_", text)  # within a word it is no mark
    return re.sub(r"^(\d*)([#+.)-]+)(?=\s|$)", r"\1\\\2", text)


def _in_csv(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "�")) else text


def _flat(row: Row) -> dict[str, object]:
    """Every field, the further metrics among them."""
    values: dict[str, object] = asdict(row)
    values.pop("further")
    return values | row.further


def to_csv(rows: Sequence[Row]) -> str:
    """Every field of every row, unrounded."""
    text = io.StringIO()
    names = [*(field.name for field in fields(Row) if field.name != "further"), *(m.column("test") for m in further())]
    # Quoted, as there are spreadsheets for which a semicolon ends a cell.
    table = csv.DictWriter(text, names, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    table.writeheader()
    table.writerows({key: _in_csv(value) for key, value in _flat(row).items()} for row in rows)
    return text.getvalue()


def to_json(rows: Sequence[Row], tolerance: float, skipped: Sequence[str], found: Sequence[Sweep] = ()) -> str:
    """Every field of every row, with the tolerance of the verdicts, the runs that were left out, and the sweeps."""
    document = {
        "tolerance": tolerance,
        "rows": [_flat(row) for row in rows],
        "skipped": list(skipped),
        "sweeps": [{**asdict(sweep), "path": str(sweep.path)} for sweep in found],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"
