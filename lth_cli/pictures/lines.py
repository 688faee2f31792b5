"""Lines of arms, or of experiments by a key, with the band of each: what accuracy, early_stop and cost share."""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lth_cli.core.arms import DENSE, WINNING
from lth_cli.pictures.canvas import BAND, GREY, Axes, ScaledTranslation, Style, few, fitting, label, left_out, styles
from lth_cli.pictures.kinds import NotDrawn
from lth_cli.pictures.studies import Point, Study
from lth_cli.rundir.config import flat
from lth_cli.rundir.read import Run
from lth_cli.rundir.sameness import BEFORE, same_experiment

_ALPHA, _OF_ALL = 0.16, 0.7  # of a band, and of all that may lie on each other, through which lines are seen
_EDGE = 0.6  # of a band, by which those on each other are told apart
_ASIDE, _ALL_ASIDE = 6, 48  # printer's points between two bars at the same place, and between the first and the last

Value = Callable[[Point], tuple[float, float, float | None]]
"""Of a point: where it is drawn, and half of its interval."""


@dataclass(frozen=True)
class Panel:
    """What one axis shows.

    Args:
        lines: by what the legend calls them, dense left out.
        dense: the dense network of each line; one where all have the same.
    """

    title: str
    lines: Mapping[str, Sequence[Point]]
    dense: Mapping[str, Point]

    @property
    def curves(self) -> int:
        return 1 + len(self.lines)


def laid_out(studies: Sequence[Study], by: str | None) -> tuple[list[Panel], dict[str, Style]]:
    """The panels, and the style of each line: of a name the same in all of them.

    Raises:
        NotDrawn: no winning ticket.
    """
    every = _by_key(studies, by) if by is not None else [_of(study) for study in studies]
    return every, styles(name for panel in every for name in panel.lines)


def fitted(every: Sequence[Panel]) -> tuple[list[Panel], list[str]]:
    """The panels for which one picture has room and time, and what it says of the others."""
    first, *others = every[: fitting([panel.curves for panel in every])]
    lines, more = few(first.lines)
    dense = {name: point for name, point in first.dense.items() if name in (DENSE, *lines)}
    notes = left_out(1 + len(others), len(every))
    return [replace(first, lines=lines, dense=dense), *others], notes + more


def draw(panel: Axes, shown: Panel, looks: Mapping[str, Style], value: Value, hollow: bool = False) -> None:
    """All lines of a panel, but for dense; arguments as of `line`."""
    alpha = min(_ALPHA, _OF_ALL / max(1, len(shown.lines)))
    single: dict[float, list[str]] = {}
    for name, points in shown.lines.items():
        if len(points) == 1:
            single.setdefault(value(points[0])[0], []).append(name)
    aside = dict[str, float]()
    for names in single.values():
        step = min(_ASIDE, _ALL_ASIDE / len(names))
        aside |= {name: step * (i - (len(names) - 1) / 2) for i, name in enumerate(names)}
    for name, points in shown.lines.items():
        line(panel, name, points, looks[name], value, alpha, hollow, aside.get(name, 0.0))


def line(
    panel: Axes,
    name: str,
    points: Sequence[Point],
    look: Style,
    value: Value,
    alpha: float,
    hollow: bool,
    aside: float,
) -> None:
    """One line and its band; of one point, which has no band, a bar.

    Args:
        alpha: of the band.
        hollow: whether markers of censored points are drawn by somebody else.
        aside: how far to the right of where it belongs, in printer's points.
    """
    x, y, margins = zip(*map(value, points), strict=True)
    filled = [i for i, point in enumerate(points) if not (hollow and point.censored)]
    order = 2.2 if name == WINNING else 2.0
    known = [margin is not None for margin in margins]
    low, high = ([at + side * (m or 0.0) for at, m in zip(y, margins, strict=True)] for side in (-1, 1))
    panel.update_datalim([*zip(x, low, strict=True), *zip(x, high, strict=True)])  # as what is moved has no say in it
    moved = panel.transData + ScaledTranslation(aside / 72, 0, panel.figure.dpi_scale_trans)
    panel.plot(x, y, label=label(name), markevery=filled, zorder=order, transform=moved, **look.options)
    if any(map(operator.and_, known, known[1:])):
        area, edge = (look.colour, alpha), (look.colour, _EDGE)
        panel.fill_between(
            x, low, high, where=known, facecolor=area, edgecolor=edge, linestyle=look.line, linewidth=0.6
        )
    for i, here in enumerate(known):
        if here and not any(known[max(0, i - 1) : i] + known[i + 1 : i + 2]):  # of which there is no area
            panel.errorbar(x[i], y[i], yerr=margins[i], color=look.colour, capsize=3, linewidth=1, transform=moved)


def dense_line(panel: Axes, shown: Panel, looks: Mapping[str, Style], value: Value) -> None:
    """Dense as a level across the panel with its band; of each experiment its own, where they differ."""
    for name, point in shown.dense.items():
        colour = looks[name].colour if name in looks else GREY
        _, height, half = value(point)
        panel.axhline(height, color=colour, linewidth=1.2, linestyle=(0, (6, 2)), label=DENSE, zorder=1.5)
        if half is not None:
            panel.axhspan(height - half, height + half, color=colour, alpha=0.12, linewidth=0)


def bands(every: Sequence[Panel], value: Value) -> list[str]:
    """What the legend says of bands, where there are any."""
    lines = (line for panel in every for line in (*panel.lines.values(), [*panel.dense.values()]))
    return [BAND] if any(value(point)[2] is not None for line in lines for point in line) else []


def _of(study: Study) -> Panel:
    arms = {arm: points for arm, points in study.points.items() if arm != DENSE}
    return Panel(study.title, arms, {DENSE: study.points[DENSE][0]})


def _by_key(studies: Sequence[Study], key: str) -> list[Panel]:
    """Winning tickets of the experiments that differ in nothing but a key, on one axis."""
    groups: dict[str, list[Study]] = {}
    for study in studies:
        groups.setdefault(_but_for(next(iter(study.runs.values())), key), []).append(study)
    found = []
    for members in groups.values():
        values: dict[str, Study] = {}
        for study in members:
            name = f"{key}={study.experiment.value(key) or ''}"
            values[name if name not in values else f"{name} ({study.name})"] = study
        lines = {name: study.points[WINNING] for name, study in values.items() if WINNING in study.points}
        dense = {name: values[name].points[DENSE][0] for name in lines}
        if len({(one.accuracy, one.early_stop, one.seeds) for one in dense.values()}) == 1:
            dense = {DENSE: next(iter(dense.values()))}
        of = members[0].experiment.apart_from([key]) if len(groups) > 1 else ""
        seeds = sorted({len(study.runs) for study in members})
        title = f"winning tickets{f', {of}' if of else ''}, {'–'.join(map(str, seeds[:: max(1, len(seeds) - 1)]))} seed"
        if lines:
            found.append(Panel(f"{title}{'s' * (seeds != [1])}", lines, dense))
    if not found:
        raise NotDrawn("no winning ticket")
    return found


def _but_for(run: Run, key: str) -> str:
    """The same for runs that differ in a key, and in what follows from it, alone."""
    follows = ("dense_retrained",) if key.partition(".")[0] == "rewind" else ()
    values = BEFORE | dict(flat(run.config))
    return json.dumps(
        {
            name: value
            for name, value in values.items()
            if not same_experiment(name) and name not in (key, *follows) and not name.startswith(f"{key}.")
        },
        sort_keys=True,
    )
