"""The iteration of minimum validation loss over weights remaining; hollow, with an arrow, where it is a bound."""

from collections.abc import Sequence

from lth_cli.pictures import lines
from lth_cli.pictures.canvas import (
    GREY,
    Axes,
    Figure,
    ScaledTranslation,
    heading,
    height_is,
    legend,
    panels,
    titled,
    weights_remaining,
)
from lth_cli.pictures.kinds import NotDrawn, Picture
from lth_cli.pictures.studies import Point, Study

CENSORED = "hollow, with an arrow: at least this, as loss still fell at the end of training"


def figure(studies: Sequence[Study], by: str | None = None) -> Picture:
    """A panel per experiment, or one for all that differ in a key; what is not trained has no point."""
    every, looks = lines.laid_out(studies, by)
    trained = [
        lines.Panel(
            one.title,
            {name: kept for name, points in one.lines.items() if (kept := [p for p in points if p.early_stop > 0])},
            {name: point for name, point in one.dense.items() if point.early_stop > 0},
        )
        for one in every
    ]
    shown, notes = lines.fitted(trained)
    if not any(one.lines or one.dense for one in shown):
        raise NotDrawn("nothing was trained")
    picture, axes = panels(len(shown))
    censored = False
    for panel, one in zip(axes, shown, strict=True):
        lines.dense_line(panel, one, looks, _value)
        lines.draw(panel, one, looks, _value, hollow=True)
        for i, (name, points) in enumerate(one.lines.items()):
            bounds = [(point.remaining, point.early_stop) for point in points if point.censored]
            censored |= bool(bounds)
            _bounds(picture, panel, bounds, looks[name].colour, looks[name].marker, 5 + 1.5 * (i % 4))
        weights_remaining(panel, [point.remaining for points in one.lines.values() for point in points])
        if any(point.censored for point in one.dense.values()):
            censored = True
            bounds = [(100.0, point.early_stop) for point in one.dense.values() if point.censored]
            _bounds(picture, panel, bounds, GREY, "o", 6)
        panel.set_ylim(0, _top([*one.dense.values(), *(point for points in one.lines.values() for point in points)]))
        height_is(panel, "early-stop iteration")
        titled(panel, one.title)
    legend(picture, axes, *lines.bands(shown, _value), *([CENSORED] if censored else []))
    heading(picture, *notes)
    return Picture(picture, notes)


def _top(points: Sequence[Point]) -> float:
    """With room for arrows; a band that is much higher than all points is cut, as two seeds have."""
    highest = max((point.early_stop for point in points), default=1.0)
    band = max((point.early_stop + (point.early_stop_margin or 0) for point in points), default=1.0)
    return max(1.2 * highest, min(1.05 * band, 2 * highest))


def _bounds(
    picture: Figure, panel: Axes, points: Sequence[tuple[float, float]], colour: str, marker: str, size: float
) -> None:
    """Markers through which those of others are seen, as many arms may have the same bound."""
    if not points:
        return
    x, y = zip(*points, strict=True)
    above = panel.transData + ScaledTranslation(0, 9 / 72, picture.dpi_scale_trans)
    panel.plot(x, y, linestyle="", marker=marker, color=colour, markerfacecolor="none", markersize=size, clip_on=False)
    panel.plot(x, y, linestyle="", marker=r"$\uparrow$", color=colour, markersize=7, transform=above, clip_on=False)


def _value(point: Point) -> tuple[float, float, float | None]:
    return point.remaining, point.early_stop, point.early_stop_margin
