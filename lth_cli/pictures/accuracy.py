"""Test accuracy over weights remaining: a line per arm, dense as a level, the spread over seeds as a band."""

from collections.abc import Sequence

from lth_cli.pictures import lines
from lth_cli.pictures.canvas import heading, height_is, legend, panels, titled, weights_remaining
from lth_cli.pictures.kinds import Picture
from lth_cli.pictures.studies import Point, Study


def figure(studies: Sequence[Study], by: str | None = None) -> Picture:
    """A panel per experiment, or one for all that differ in a key."""
    every, looks = lines.laid_out(studies, by)
    shown, notes = lines.fitted(every)
    picture, axes = panels(len(shown), sharey=True)
    for panel, one in zip(axes, shown, strict=True):
        lines.dense_line(panel, one, looks, _value)
        lines.draw(panel, one, looks, _value)
        weights_remaining(panel, [point.remaining for points in one.lines.values() for point in points])
        height_is(panel, "test accuracy (%)")
        titled(panel, one.title)
    legend(picture, axes, *lines.bands(shown, _value))
    heading(picture, *notes)
    return Picture(picture, notes)


def _value(point: Point) -> tuple[float, float, float | None]:
    return point.remaining, point.accuracy, point.accuracy_margin
