"""Test accuracy over all training that it takes to come there, the search for the mask included."""

from collections.abc import Sequence

from lth_cli.core.arms import WINNING
from lth_cli.pictures import lines
from lth_cli.pictures.canvas import (
    GREY,
    Axes,
    EngFormatter,
    MaxNLocator,
    heading,
    height_is,
    legend,
    panels,
    titled,
)
from lth_cli.pictures.kinds import Picture
from lth_cli.pictures.studies import Point, Study

_MOST_LABELS = 6


def figure(studies: Sequence[Study], by: str | None = None) -> Picture:
    """A panel per experiment, or one for all that differ in a key; above it, what is left of the weights there."""
    every, looks = lines.laid_out(studies, by)
    shown, notes = lines.fitted(every)
    picture, axes = panels(len(shown), sharey=True)
    for panel, one in zip(axes, shown, strict=True):
        lines.dense_line(panel, one, looks, _value)
        lines.draw(panel, one, looks, _value)
        for point in one.dense.values():
            panel.plot([point.search], [point.accuracy], marker="D", markersize=5, color=GREY, linestyle="")
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))
        panel.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        panel.set_xlim(left=0)
        panel.set_xlabel("iterations of all training up to there", fontsize=9)
        height_is(panel, "test accuracy (%)")
        titled(panel, one.title)
        _remaining(panel, one.lines.get(WINNING, []))
    legend(picture, axes, *lines.bands(shown, _value))
    heading(picture, *notes)
    return Picture(picture, notes)


def _remaining(panel: Axes, points: Sequence[Point]) -> None:
    """What is left of the weights of the tickets, on an axis above."""
    if not points:
        return
    labelled = points[::-1][:: -(-len(points) // _MOST_LABELS)]  # the last one among them
    above = panel.secondary_xaxis("top")
    above.set_xticks([point.search for point in labelled], labels=[f"{point.remaining:.2g}" for point in labelled])
    above.tick_params(axis="x", labelsize=8)
    above.set_xlabel("weights remaining in the ticket (%)", fontsize=8)


def _value(point: Point) -> tuple[float, float, float | None]:
    return point.search, point.accuracy, point.accuracy_margin
