"""`lth compare`: find runs, read them, and show them side by side."""

import io
import sys
import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lth_cli.core.files import write
from lth_cli.core.spelling import brief, clean, say
from lth_cli.report.collected import NothingToCompare, collect, expand
from lth_cli.report.columns import of_comparison, with_content
from lth_cli.report.formats import in_markdown, latex, markdown, to_csv, to_json, to_parquet
from lth_cli.report.headlines import line
from lth_cli.report.legend import legend
from lth_cli.report.plot import drawn
from lth_cli.report.table import compared
from lth_cli.report.terminal import Terminal
from lth_cli.results.budget import Budget
from lth_cli.results.compare import Row, rows_of
from lth_cli.results.experiment import Experiment, Rounds, gathered, last
from lth_cli.results.headline import Headline, headline
from lth_cli.results.selection import (
    baseline_of,
    check_keys,
    conditions,
    in_order,
    rows_where,
    runs_where,
    side_by_side,
)
from lth_cli.rundir.read import Run
from lth_cli.rundir.sweep import Sweep, sweeps

_NARROWEST = 40  # characters of a line of the legend
_MOST_ROWS = 10_000  # in a table that is drawn for the eye, which takes a second for a thousand
_MOST_HEADLINES, _MOST_SEEDS = 20, 10  # below a table, and of a line


@dataclass(frozen=True)
class Asked:
    """What a comparison is to show.

    Args:
        rounds: of each arm.
        budget: show instead the last ticket for which the whole search of the cheapest experiment is enough.
        tolerance: points below dense up to which a ticket is matching.
        where: conditions that runs and rows must meet, as `selection.conditions` reads them.
        arms: those that are shown; all, where none is named.
        by: keys of the config; experiments that differ in these alone are laid side by side.
        baseline: a run, of the experiment to which each arm of others is held, too.
        sort: a number of the tickets to order experiments by.
        form: table, markdown, latex, csv, json or parquet, which goes to a file only.
        output: file to write instead of the terminal.
        plots: pictures of accuracy to draw as well.
    """

    rounds: Rounds = last
    budget: bool = False
    tolerance: float = 1.0
    where: str | None = None
    arms: Sequence[str] = ()
    by: Sequence[str] = ()
    baseline: str | None = None
    sort: str | None = None
    form: str = "table"
    output: str | None = None
    plots: Sequence[str] = ()


@dataclass(frozen=True)
class _Compared:
    """What there is to show.

    Args:
        notes: what lines say below the table, beside what its columns mean.
        skipped: a line for each run that was left out.
    """

    rows: list[Row]
    headlines: list[Headline]
    notes: list[str]
    skipped: list[str]
    sweeps: list[Sweep]
    tolerance: float

    @property
    def more(self) -> list[str]:
        """The lines below a table, after the legend."""
        lines = [line(one) for one in self.headlines[:_MOST_HEADLINES]]
        if len(self.headlines) > _MOST_HEADLINES:
            lines.append(f"Headlines of {len(self.headlines) - _MOST_HEADLINES:,} more experiments: --format json.")
        return [*self.notes, *lines]

    @property
    def of_sweeps(self) -> list[str]:
        return [f"{one}." for one in self.sweeps if one.expected is not None]


def report(paths: Sequence[str], asked: Asked) -> None:
    """Compare the runs at `paths` (default: the latest) and print or write the table.

    Args:
        paths: run directories, sweeps, folders of them, or globs.

    Raises:
        NothingToCompare: no finished run there, or none that meets the conditions.
        ValueError: what is asked for is not there.
        OSError: a file cannot be written.
    """
    form, output = asked.form, asked.output
    runs, shown = _compared(paths, asked)
    written = [*_drawn(runs, asked.plots)]
    if output is not None:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        text = to_parquet(shown.rows) if form == "parquet" else _text(shown, form).encode(errors="replace")
        write(Path(output), text)
        written.append(output)
    console = Terminal()
    if output is None and form == "table":
        _print(console, shown)
    elif output is None:
        sys.stdout.write(_text(shown, form))
    for name in written if form == "table" or output is not None else ():
        console.say(f"wrote {name}")


def _compared(paths: Sequence[str], asked: Asked) -> tuple[list[Run], _Compared]:
    """The runs, and what there is to show of them; what was left out is said at once."""
    needed = conditions(asked.where) if asked.where is not None else []
    places = expand(paths)
    runs, skipped = collect(places)
    runs = runs_where(runs, needed)
    against, lost = collect([Path(asked.baseline)] if asked.baseline is not None else [])
    skipped = [*dict.fromkeys([*skipped, *lost])]
    there = {run.path.resolve() for run in runs}
    runs += [run for run in against if run.path.resolve() not in there]
    found = sweeps(places)
    skipped += [f"sweep: {one}" for one in found if one.lacks]
    for text in skipped:
        say(brief(f"lth: {clean(text)}"), file=sys.stderr)

    experiments = gathered(runs)
    notes = list(_left_out(experiments))
    check_keys(experiments, asked.by)
    rounds, baseline = asked.rounds, None
    if asked.baseline is not None:
        baseline = baseline_of(experiments, against, asked.baseline)
        notes.append(f"The baseline is {baseline.name}{', whatever --where says' if needed else ''}.")
    if asked.budget:
        budget = Budget.least(experiments)
        rounds = budget.rounds
        notes.append(f"Rounds of equal search cost: the last for which {budget}, is enough.")
        notes += [f"{one.name}: its first round takes more." for one in experiments if budget.last(one) is None]
    experiments = [one.showing(rounds) for one in experiments]
    rows = [row for one in experiments for row in rows_of(one, asked.tolerance, asked.by, baseline)]
    rows = rows_where(rows, needed, asked.arms)
    if asked.sort is not None:
        rows = in_order(rows, asked.sort)
    if asked.by:
        rows = side_by_side(rows, by_keys=asked.sort is None)
    if not rows:
        raise NothingToCompare(f"nothing to compare: {notes[0] if notes else 'no finished run' + _where(paths)}")
    kept = {row.run for row in rows}
    headlines = [one for one in (headline(each, asked.tolerance) for each in experiments if each.name in kept) if one]
    return runs, _Compared(rows, headlines, notes, skipped, found, asked.tolerance)


def _left_out(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Seeds that are not in the rows, as there is a later run of them, or no dense network."""
    for one in experiments:
        if one.twice:
            yield f"{one.name}: {_seeds(one.twice)}: of two runs the later counts."
        if one.alone:
            yield f"{one.name}: {_seeds(one.alone)}: left out, without a dense network."


def _seeds(seeds: Collection[int]) -> str:
    named = ", ".join(map(str, sorted(seeds)[:_MOST_SEEDS]))
    return f"seed{'s' * (len(seeds) > 1)} {named}{', …' * (len(seeds) > _MOST_SEEDS)}"


def _drawn(runs: Sequence[Run], plots: Sequence[str]) -> Iterator[str]:
    """The names of the pictures that were written."""
    if not plots:
        return
    from lth_cli.pictures.studies import studies

    found = studies(runs)
    for plot in plots:
        content = drawn("accuracy", found, Path(plot))
        if content is None:
            continue
        write(Path(plot), content)
        yield plot


def _where(paths: Sequence[str]) -> str:
    return clean(f" in {', '.join(paths)}") if paths else " in outputs; name a run directory, or start with: lth run"


def _print(console: Terminal, shown: _Compared) -> None:
    rows = shown.rows
    columns = compared(console, rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        console.say(f"and {len(rows) - _MOST_ROWS:,} more rows, which --format=csv and json have")
    below = [*legend(rows, columns), *shown.more]
    wrapped = [part for text in below for part in textwrap.wrap(text, max(console.width, _NARROWEST))]
    for text in [*wrapped, *shown.of_sweeps]:
        console.say(text, style="dim")


def _text(shown: _Compared, form: str) -> str:
    rows = shown.rows
    if form == "csv":
        return to_csv(rows)
    if form == "json":
        found = [{**asdict(sweep), "path": str(sweep.path)} for sweep in shown.sweeps]
        headlines = [asdict(one) for one in shown.headlines]
        more = {"tolerance": shown.tolerance, "notes": shown.notes, "headlines": headlines}
        return to_json(rows, **more, skipped=shown.skipped, sweeps=found)
    if form == "latex":
        return latex(rows, shown.more)
    if form == "markdown":
        lines = [*legend(rows, with_content(of_comparison(rows), rows))]
        lines += map(in_markdown, [*shown.more, *shown.of_sweeps])
        return markdown(rows) + "\n" + "\n\n".join(lines) + "\n"
    text = io.StringIO()
    _print(Terminal(file=text, width=200), shown)
    return text.getvalue()
