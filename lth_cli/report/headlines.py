"""Headlines as lines."""

from collections.abc import Iterator

from lth_cli.report.numbers import density, points
from lth_cli.results.headline import Headline


def line(headline: Headline) -> str:
    """Such as ``rewind=init: smallest density that matches dense: 0.1468 (-0.19 ± 0.40 points, 3 seeds); …``."""
    return f"{headline.run}: {'; '.join(_parts(headline))}."


def _parts(headline: Headline) -> Iterator[str]:
    figures = f"{points(headline.difference, headline.interval)} points, {headline.seeds} seeds"
    rivals = " and ".join(headline.rivals)
    below = "" if headline.below is None else f", below it from {density(headline.below)} on"
    if headline.density is None:
        yield f"no density is shown to match {rivals}: {figures}, at the smallest{below}"
    else:
        yield f"smallest density that matches {rivals}: {density(headline.density)} ({figures}){below}"
    if headline.gaps_at is not None:
        yield f"at {density(headline.gaps_at)} it {', '.join(_gaps(headline))}"
    yield f"search: {headline.iterations:,.0f} iterations, {headline.times_dense:.1f} times dense"


def _gaps(headline: Headline) -> Iterator[str]:
    for arm, gap in headline.gaps.items():
        yield f"{'beats' if arm in headline.beaten else 'is not shown to beat'} {arm} ({points(*gap)})"
