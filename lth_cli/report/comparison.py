"""`lth compare`: find runs, read them, and show them side by side."""

import glob
import io
import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lth_cli.core.files import write
from lth_cli.core.spelling import brief, clean, say
from lth_cli.report.columns import COMPARE, with_content
from lth_cli.report.formats import in_markdown, latex, markdown, to_csv, to_json, to_parquet
from lth_cli.report.legend import legend
from lth_cli.report.table import compared
from lth_cli.report.terminal import Terminal
from lth_cli.results.compare import Row, compare
from lth_cli.results.experiment import Rounds, last
from lth_cli.results.selection import conditions, in_order, rows_where, runs_where
from lth_cli.rundir.claims import changed_in
from lth_cli.rundir.find import find, latest
from lth_cli.rundir.read import Damaged, Run, read
from lth_cli.rundir.record import of_results
from lth_cli.rundir.sweep import Sweep, sweeps

_NARROWEST = 40  # characters of a line of the legend
_MOST_KEPT = 4 * 2**30  # bytes that all runs together take, or about
_OF_A_ROW, _OF_A_CHARACTER = 1200, 20  # of history, and of what else is kept of a run
_MOST_ROWS = 10_000  # in a table that is drawn for the eye, which takes a second for a thousand


class NothingToCompare(Exception):
    """No finished run was found."""


@dataclass(frozen=True)
class Asked:
    """What a comparison is to show.

    Args:
        rounds: of each arm.
        tolerance: points below dense up to which a ticket is matching.
        where: conditions that runs and rows must meet, as `selection.conditions` reads them.
        arms: those that are shown; all, where none is named.
        sort: a number of the tickets to order experiments by.
        form: table, markdown, latex, csv, json or parquet, which goes to a file only.
        output: file to write instead of the terminal.
        plots: pictures of accuracy to draw as well.
    """

    rounds: Rounds = last
    tolerance: float = 1.0
    where: str | None = None
    arms: Sequence[str] = ()
    sort: str | None = None
    form: str = "table"
    output: str | None = None
    plots: Sequence[str] = ()


def report(paths: Sequence[str], asked: Asked) -> None:
    """Compare the runs at `paths` (default: the latest) and print or write the table.

    Args:
        paths: run directories, sweeps, folders of them, or globs.

    Raises:
        NothingToCompare: no finished run there, or none that meets the conditions.
        ValueError: what is asked for is not there.
        OSError: a file cannot be written.
    """
    tolerance, form, output = asked.tolerance, asked.form, asked.output
    needed = conditions(asked.where) if asked.where is not None else []
    runs, skipped = collect(paths)
    runs = runs_where(runs, needed)
    found = sweeps(_expand(paths))
    skipped += [f"sweep: {one}" for one in found if one.lacks]
    for line in skipped:
        say(brief(f"lth: {clean(line)}"), file=sys.stderr)
    rows = rows_where(compare(runs, tolerance, asked.rounds), needed, asked.arms)
    if asked.sort is not None:
        rows = in_order(rows, asked.sort)
    if not rows:
        raise NothingToCompare("nothing to compare: no finished run" + _where(paths))
    written = []
    if asked.plots:
        from lth_cli.pictures.accuracy import figure
        from lth_cli.pictures.canvas import rendered
        from lth_cli.pictures.studies import studies

        drawn = figure(studies(runs))
        for plot in asked.plots:
            for note in drawn.notes:
                say(brief(f"lth: {plot}: {note}", lines=1), file=sys.stderr)
            write(Path(plot), rendered(drawn.figure, plot.rpartition(".")[2]))
            written.append(plot)
    if output is not None:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        write(Path(output), _bytes(rows, tolerance, form, skipped, found))
        written.append(output)
    console = Terminal()
    if output is None and form == "table":
        _print(console, rows, found)
    elif output is None:
        sys.stdout.write(_text(rows, tolerance, form, skipped, found))
    for name in written if form == "table" or output is not None else ():
        console.say(f"wrote {name}")


def collect(paths: Sequence[str]) -> tuple[list[Run], list[str]]:
    """The finished runs, as far as there is room, and a line for each that is missing, damaged or not finished."""
    runs: dict[Path, Run] = {}
    skipped, room = [], _MOST_KEPT
    for path in _expand(paths):
        found = find(path)
        if not found:
            skipped.append(f"no run directory: {path}" if path.exists() else f"missing: {path}")
        for folder in found:
            try:
                run = read(folder)
            except Damaged as damaged:
                skipped.append(f"damaged: {damaged}")
                continue
            if lost := changed_in(folder, run.record):
                skipped.append(f"damaged: {lost}")
            elif run.status == "done":
                run = replace(run, record=of_results(run.record))
                if (size := _size(run)) > room:
                    skipped.append(f"left out: {folder}: too large beside {len(runs):,} other runs; name fewer")
                    continue
                room -= size
                runs[folder.resolve()] = run
                skipped += [f"diverged: {folder}: {one['what']}" for one in run.record.get("diverged", [])]
            else:
                error = str(run.record.get("error") or "").partition("\n")[0]
                skipped.append(f"{run.status}: {folder}{f': {error}' if error else ''}")
    return list(runs.values()), skipped


def _size(run: Run) -> int:
    """The bytes that it takes, or about."""
    return len(run.history) * _OF_A_ROW + len(json.dumps([run.config, run.record])) * _OF_A_CHARACTER


def _expand(paths: Sequence[str]) -> list[Path]:
    if not paths:
        newest = latest(Path("outputs"))
        return [] if newest is None else [newest]
    found = []
    for path in paths:  # a folder may be called a[1]
        found += [path] if Path(path).exists() else sorted(glob.glob(path)) or [path]
    return [Path(path) for path in found]


def _where(paths: Sequence[str]) -> str:
    return clean(f" in {', '.join(paths)}") if paths else " in outputs; name a run directory, or start with: lth run"


def _of_sweeps(found: Sequence[Sweep]) -> list[str]:
    return [f"{one}." for one in found if one.expected is not None]


def _print(console: Terminal, rows: Sequence[Row], found: Sequence[Sweep]) -> None:
    columns = compared(console, rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        console.say(f"and {len(rows) - _MOST_ROWS:,} more rows, which --format=csv and json have")
    wrapped = [part for line in legend(rows, columns) for part in textwrap.wrap(line, max(console.width, _NARROWEST))]
    for line in [*wrapped, *_of_sweeps(found)]:
        console.say(line, style="dim")


def _bytes(rows: Sequence[Row], tolerance: float, form: str, skipped: Sequence[str], found: Sequence[Sweep]) -> bytes:
    return (
        to_parquet(rows) if form == "parquet" else _text(rows, tolerance, form, skipped, found).encode(errors="replace")
    )


def _text(rows: Sequence[Row], tolerance: float, form: str, skipped: Sequence[str], found: Sequence[Sweep]) -> str:
    if form == "csv":
        return to_csv(rows)
    if form == "json":
        return to_json(rows, tolerance, skipped, found)
    if form == "latex":
        return latex(rows)
    if form == "markdown":
        lines = [*legend(rows, with_content(COMPARE, rows)), *(in_markdown(line) for line in _of_sweeps(found))]
        return markdown(rows) + "\n" + "\n\n".join(lines) + "\n"
    text = io.StringIO()
    _print(Terminal(file=text, width=200), rows, found)
    return text.getvalue()
