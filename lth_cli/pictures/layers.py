"""What is left of each layer, round by round, in the winning tickets."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from lth_cli.core.arms import DENSE, WINNING
from lth_cli.pictures.canvas import (
    GREY,
    MOST_PANELS,
    Axes,
    MaxNLocator,
    Style,
    few,
    fitting,
    heading,
    height_is,
    label,
    left_out,
    legend,
    panels,
    percents,
    styles,
    titled,
)
from lth_cli.pictures.kinds import NotDrawn, Picture
from lth_cli.pictures.studies import Study
from lth_cli.rundir import names

ALL = "all layers"
EMPTIED = "crossed out, on the lower edge: nothing is left"

Shares = Mapping[str, Mapping[int, float]]
"""By layer and round, what is left in percent, the mean over seeds; all layers together come first."""


def figure(studies: Sequence[Study]) -> Picture:
    """A panel per experiment, a line per layer; all of them together are the dashed one."""
    found = [_shares(study) for study in studies[:MOST_PANELS]]
    if not any(found):
        raise NotDrawn("no row of a layer")
    shown = fitting([len(shares) for shares in found])
    notes = left_out(shown, len(studies))
    found[0], more = few(found[0])
    notes += more
    looks = styles(layer for shares in found[:shown] for layer in shares if layer != ALL)
    picture, axes = panels(shown, sharey=True)
    lowest = min(share for shares in found for line in shares.values() for share in line.values() if share > 0)
    emptied = False
    for panel, study, shares in zip(axes, studies, found, strict=False):
        for layer, line in shares.items():
            look = looks.get(layer) or Style(GREY, "", "--")
            emptied |= _line(panel, layer, line, look, lowest / 2)
        panel.set_yscale("log")
        percents(panel.yaxis, lowest)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.set_xlabel("round", fontsize=9)
        height_is(panel, "weights remaining (%)")
        titled(panel, study.title)
    legend(picture, axes, *([EMPTIED] if emptied else []), dense=ALL)
    heading(picture, *notes)
    return Picture(picture, notes)


def _shares(study: Study) -> Shares:
    counts: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (round, arm, _), rows in study.table(names.LAYERS):
        if arm not in (DENSE, WINNING):
            continue
        whole = sum(row["total"] for row in rows)
        counts[ALL][round].append(100 * sum(row["remaining"] for row in rows) / max(1, whole))
        for row in rows:
            counts[row["layer"]][round].append(100 * row["remaining"] / max(1, row["total"]))
    return {layer: {k: fmean(of) for k, of in sorted(rounds.items())} for layer, rounds in counts.items()}


def _line(panel: Axes, layer: str, line: Mapping[int, float], look: Style, floor: float) -> bool:
    """Draw one; says whether it is on the lower edge anywhere, as a logarithm has no place for nothing."""
    panel.plot(list(line), [max(share, floor) for share in line.values()], label=label(layer), **look.options)
    gone = [round for round, share in line.items() if share == 0]
    panel.plot(gone, [floor] * len(gone), linestyle="", marker="x", markersize=8, color=look.colour)
    return bool(gone)
