"""Headlines as lines."""

from collections.abc import Iterator

from lth_cli.report.numbers import density, points
from lth_cli.results.experiment import gathered
from lth_cli.results.headline import Headline, headline
from lth_cli.rundir.read import Run


def line(one: Headline) -> str:
    """Such as ``rewind=init: smallest density that matches dense: 0.1468 (-0.19 ± 0.40 points, 3 seeds); …``."""
    return f"{one.run}: {'; '.join(_parts(one))}."


def of_run(run: Run, tolerance: float = 1.0) -> list[str]:
    """The line of a run of several seeds; none of one."""
    return [line(one) for experiment in gathered([run]) if (one := headline(experiment, tolerance)) is not None]


def _parts(one: Headline) -> Iterator[str]:
    figures = f"{points(one.difference, one.interval)} points, {one.seeds} seeds"
    rivals = " and ".join(one.rivals)
    below = "" if one.below is None else f", below it from {density(one.below)} on"
    if one.density is None:
        yield f"no density is shown to match {rivals}: {figures}, at the smallest{below}"
    else:
        yield f"smallest density that matches {rivals}: {density(one.density)} ({figures}){below}"
    if one.gaps_at is not None:
        yield f"at {density(one.gaps_at)} it {', '.join(_gaps(one))}"
    times = "" if one.times_dense is None else f", {one.times_dense:.1f} times dense"
    yield f"search: {one.iterations:,.0f} iterations{times}"


def _gaps(one: Headline) -> Iterator[str]:
    for arm, gap in one.gaps.items():
        yield f"{'beats' if arm in one.beaten else 'is not shown to beat'} {arm} ({points(*gap)})"
