"""Learning curves: test accuracy over iteration, of dense, of some rounds and of the last; a line of panels each."""

from collections import defaultdict
from collections.abc import Container, Sequence

from lth_cli.core.arms import DENSE
from lth_cli.pictures.canvas import (
    GREY,
    MOST_PANELS,
    fitting,
    heading,
    height_is,
    label,
    left_out,
    legend,
    panels,
    styles,
    titled,
)
from lth_cli.pictures.kinds import NotDrawn, Picture
from lth_cli.pictures.studies import Curve, Study, mean_curve
from lth_cli.rundir import names

_COLUMNS = 4
_MARKS = 6  # of a curve


def figure(studies: Sequence[Study]) -> Picture:
    """Of all seeds, the mean; dense is in every panel."""
    columns = min(_COLUMNS, max(len(study.rounds(_COLUMNS)) for study in studies))
    shown = studies[: MOST_PANELS // columns]
    shown = shown[: fitting([columns * len(study.points) for study in shown])]
    looks = styles(arm for study in shown for arm in study.points)
    picture, axes = panels(columns * len(shown), columns, size=(3.4, 3.0), sharey=True)
    for i, study in enumerate(shown):
        rounds = study.rounds(columns)
        found = _curves(study, rounds)
        for j, panel in enumerate(axes[i * columns : (i + 1) * columns]):
            if j >= len(rounds):
                panel.set_visible(False)
                continue
            for arm, curves in found[rounds[j]].items() if rounds[j] else ():
                curve = mean_curve(curves)
                options = looks[arm].options | {"markersize": 4, "markevery": max(1, len(curve) // _MARKS)}
                panel.plot(*_percent(curve), label=label(arm), **options)
            dense = mean_curve(found[0][DENSE])
            panel.plot(*_percent(dense), label=DENSE, color=GREY, linewidth=2.2, alpha=0.6, zorder=1.5)
            panel.set_xlabel("iteration", fontsize=9)
            height_is(panel, "test accuracy (%)")
            titled(panel, _title(study, rounds[j], j), width=40)
    if not any(panel.lines for panel in axes):
        raise NotDrawn("no learning curve")
    seeds = "each line is the mean over seeds" if any(len(study.runs) > 1 for study in shown) else ""
    legend(picture, axes, *filter(None, [seeds]))
    notes = left_out(len(shown), len(studies))
    heading(picture, *notes)
    return Picture(picture, notes)


def _curves(study: Study, rounds: Container[int]) -> dict[int, dict[str, list[Curve]]]:
    """By round and arm, those of each seed and each draw."""
    found: dict[int, dict[str, list[Curve]]] = defaultdict(lambda: defaultdict(list))
    for (round, arm, _), rows in study.table(names.CURVES):
        if round in rounds:
            found[round][study.arm(arm)].append([(row["iteration"], row["test_accuracy"]) for row in rows])
    return found


def _title(study: Study, round: int, place: int) -> str:
    kept = next((p.remaining for points in study.points.values() for p in points if p.round == round), 100.0)
    what = "dense" if round == 0 else f"round {round}, {kept:.3g}% of weights"
    return f"{study.title}: {what}" if place == 0 else what


def _percent(curve: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [iteration for iteration, _ in curve], [100 * value for _, value in curve]
