"""What the columns of a comparison show of a row, and what their numbers mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lth_cli.core.arms import OWN
from lth_cli.core.metrics import Metric, further
from lth_cli.report.numbers import density, points
from lth_cli.results.compare import Row
from lth_cli.results.statistics import Beats, Verdict


@dataclass(frozen=True)
class Column:
    """A column of a table for people.

    Args:
        keep: how dear it is where a terminal is too narrow for all: the least dear go first, and 9 stays.
        short: its title and cells on a terminal that is too narrow even then.
    """

    title: str
    cell: Callable[[Row], str]
    keep: int = 9
    short: tuple[str, Callable[[Row], str]] | None = None

    @property
    def left(self) -> bool:
        """Whether it holds words."""
        return self.title in ("run", "arm", "verdict")


def _mean(row: Row) -> str:
    return f"{100 * row.accuracy:.2f}"


def _accuracy(row: Row) -> str:
    return _mean(row) + ("" if row.spread is None else f" ± {100 * row.spread:.2f}")


def early_stop(row: Row) -> str:
    """The iteration, and its ratio to dense; nothing where nothing is trained."""
    if row.early_stop == 0:
        return ""
    iteration = f"{'≥ ' if row.early_stop_at_end else ''}{row.early_stop:,.0f}"
    if row.early_stop_ratio is None or row.arm == "dense":
        return iteration
    bound = f"{row.early_stop_ratio_bound} " if row.early_stop_ratio_bound else ""
    low, high = row.early_stop_ratio_low, row.early_stop_ratio_high
    interval = "" if low is None or high is None else f", {low:.2f}–{high:.2f}"
    return f"{iteration} ({bound}{row.early_stop_ratio:.2f}x{interval})"


def _reaches(row: Row) -> str:
    """When, and how many seeds do, where not all."""
    if row.reaches_dense_at is None:
        return "" if row.arm == "dense" or row.early_stop == 0 else "never"
    of = "" if row.reaches_dense == row.seeds else f" ({row.reaches_dense} of {row.seeds})"
    return f"{row.reaches_dense_at:,.0f}{of}"


def _seeds(row: Row) -> str:
    return f"{row.seeds} of {row.seeds + row.diverged}" if row.diverged else str(row.seeds)


def verdict(row: Row) -> str:
    """Of a ticket both halves: against its baseline, and against its controls. Of a control, whether it is beaten."""
    to_tell = "" if row.seeds_to_tell is None else f" ({row.seeds_to_tell:,})"
    return _verdict(row, to_tell)


def _verdict(row: Row, to_tell: str = "") -> str:
    if row.arm not in OWN:
        words = {Beats.yes: "beaten", Beats.no: "not beaten", Beats.undecided: f"undecided{to_tell}"}
        return words.get(Beats(row.beats), row.beats) if row.beats else ""
    claimed = row.verdict + (to_tell if row.verdict == Verdict.undecided else "")
    if 1 < row.verdict_seeds < row.seeds:
        claimed += f" by {row.verdict_seeds} seeds"
    if row.controls is None or row.verdict in ("", Verdict.one_seed):
        return claimed
    return (
        f"{claimed}, beats {'all' if row.controls_beaten == row.controls else f'{row.controls_beaten}/{row.controls}'}"
    )


def _vs_dense(row: Row, digits: int = 2) -> str:
    return "" if row.arm == "dense" else points(row.difference, row.interval, digits)


def _vs_retrained(row: Row, digits: int = 2) -> str:
    return points(row.retrained_difference, row.retrained_interval, digits)


def _gap(row: Row, digits: int = 2) -> str:
    return points(row.gap, row.gap_interval, digits)


def _vs_baseline(row: Row, digits: int = 2) -> str:
    difference = points(row.baseline_difference, row.baseline_interval, digits)
    return f"{difference}, {row.baseline_verdict}" if difference else ""


def _further(metric: Metric) -> Column:
    """A metric beside loss and accuracy; a fraction in percent."""

    def cell(row: Row) -> str:
        value = row.further[metric.column("test")]
        if value is None:
            return ""
        return f"{100 * value:.2f}" if metric.top == 1 else f"{value:.4g}"

    return Column(f"test {metric.name}{' %' if metric.top == 1 else ''}", cell, keep=0)


_DENSITY = Column("density", lambda row: density(row.density), keep=6)
_MEASURED = (Column("test accuracy %", _accuracy, short=("acc. %", _mean)), *map(_further, further()))
_EARLY = Column("early stop", early_stop, keep=2)
_VS_DENSE = Column("vs dense", _vs_dense, short=("vs dense", lambda row: _vs_dense(row, 1)))
_VS_RETRAINED = Column("vs retrained", _vs_retrained, short=("retrained", lambda row: _vs_retrained(row, 1)))
_VS_BASELINE = Column("vs baseline", _vs_baseline, short=("vs baseline", lambda row: _vs_baseline(row, 1)))
_BEATS = Column("ticket − it", _gap, short=("ticket − it", lambda row: _gap(row, 1)))
_REACHES = Column("reaches dense", _reaches, keep=2)
_VERDICT = Column("verdict", verdict, short=("verdict", _verdict))

COMPARE = (
    Column("arm", lambda row: row.arm),
    Column("round", lambda row: str(row.round), keep=4),
    Column("seeds", _seeds, keep=3),
    _DENSITY,
    *_MEASURED,
    _VS_DENSE,
    _VS_RETRAINED,
    _BEATS,
    _EARLY,
    _REACHES,
    Column("search", lambda row: f"{row.search_iterations:,.0f} it", keep=1),
    _VERDICT,
    _VS_BASELINE,
)
"""Of `lth compare`."""

SUMMARY = (
    Column("round", lambda row: str(row.round)),
    Column("seeds", _seeds),
    Column("parameters kept", lambda row: f"{row.parameters_kept:,}"),
    Column("prunable kept", lambda row: f"{row.remaining:,}"),
    _DENSITY,
    *_MEASURED,
    Column("retained of dense %", lambda row: "" if row.retained is None else f"{100 * row.retained:.1f}"),
    _VS_DENSE,
    _VS_RETRAINED,
    _BEATS,
    _EARLY,
    _REACHES,
    Column("time", lambda row: f"{row.seconds:.1f} s"),
    _VERDICT,
)
"""Of a run, at its end: a line each."""


def of_comparison(rows: Sequence[Row]) -> list[Column]:
    """Of `lth compare`; after the arm, the keys by which experiments are laid side by side."""
    arm, *others = COMPARE
    return [arm, *map(_key, rows[0].keys if rows else ()), *others]


def _key(key: str) -> Column:
    return Column(key, lambda row: row.keys[key])


def with_content(columns: Sequence[Column], rows: Sequence[Row]) -> list[Column]:
    """The columns in which there is anything."""
    return [column for column in columns if any(column.cell(row) for row in rows)]
