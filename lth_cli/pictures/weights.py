"""The weights that a ticket starts from: those it keeps, among all there are, layer by layer."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lth_cli.pictures.canvas import COLOURS, MOST_PANELS, MaxNLocator, heading, left_out, legend, panels, titled
from lth_cli.pictures.kinds import NotDrawn, Picture
from lth_cli.pictures.studies import Study
from lth_cli.pictures.tickets import tickets

_BINS = 61
_BLUE = COLOURS[-1]
_COLUMNS = 4

Values = NDArray[np.float32]
Layer = list[tuple[Values, Values]]
"""Of each seed: all weights, and those that are kept."""


def figure(studies: Sequence[Study]) -> Picture:
    """A panel per experiment and layer, all seeds together; each distribution by itself has an area of 1."""
    found = [(study, layer, of) for study in studies for layer, of in _layers(study).items()]
    if not found:
        raise NotDrawn("no ticket")
    shown = found[:MOST_PANELS]
    of_each = [len(layers) for layers in _of(shown)]
    columns = min(_COLUMNS, max(of_each))
    places = _places(of_each, columns)
    picture, every_axes = panels(places[-1] + 1, columns, size=(3.5, 2.9))
    for unused in set(range(len(every_axes))) - set(places):
        every_axes[unused].set_visible(False)
    axes = [every_axes[place] for place in places]
    for panel, (study, layer, of) in zip(axes, shown, strict=True):
        every, kept = (np.concatenate(each) for each in zip(*of, strict=True))
        top = float(np.abs(every).max()) if every.size else 0.0
        bins = np.linspace(-(top or 1.0), top or 1.0, _BINS).tolist()
        panel.hist(every, bins, density=True, color="#BBBBBB", label="all weights")
        if kept.size:
            panel.hist(
                kept, bins, density=True, histtype="step", linewidth=1.6, color=_BLUE, label="kept by the ticket"
            )
        else:
            panel.text(0.03, 0.92, "nothing is kept", transform=panel.transAxes, fontsize=8)
        panel.set_xlabel("weight that the ticket starts from", fontsize=8)
        panel.set_yticks([])
        panel.xaxis.set_major_locator(MaxNLocator(6))
        titled(panel, f"{study.name}: {layer}", f"{kept.size:,} of {every.size:,} kept", width=40)
    seeds = "all seeds together; " if any(len(study.runs) > 1 for study, _, _ in shown) else ""
    legend(picture, axes, f"{seeds}each distribution has an area of 1", dense="all weights")
    notes = left_out(len(shown), len(found), "layers")
    heading(picture, *notes)
    return Picture(picture, notes)


def _places(of_each: Sequence[int], columns: int) -> list[int]:
    """Where the panels are of experiments that have so many each: each experiment begins a line."""
    places, start = list[int](), 0
    for several in of_each:
        places += range(start, start + several)
        start += -(-several // columns) * columns
    return places


def _of(found: Sequence[tuple[Study, str, Layer]]) -> list[list[str]]:
    """The layers of each experiment."""
    by_study: dict[str, list[str]] = defaultdict(list)
    for study, layer, _ in found:
        by_study[study.name].append(layer)
    return list(by_study.values())


def _layers(study: Study) -> dict[str, Layer]:
    layers: dict[str, Layer] = defaultdict(list)
    for _, run, ticket in tickets(study):
        order = [name for name in run.record.get("layers") or () if name in ticket.mask]
        for name in dict.fromkeys([*order, *ticket.mask]):
            weights, mask = ticket.weights[name].float(), ticket.mask[name]
            layers[name].append((weights.numpy().ravel(), weights[mask].numpy()))
    return layers
