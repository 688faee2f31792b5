"""The weights that a ticket starts from: those it keeps, among all there are, layer by layer."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from lth_cli.pictures.canvas import COLOURS, MOST_PANELS, MaxNLocator, heading, left_out, legend, panels, titled
from lth_cli.pictures.kinds import NotDrawn, Picture
from lth_cli.pictures.studies import Study
from lth_cli.pictures.tickets import ticket_of, with_ticket

_BINS = 61
_BLUE = COLOURS[-1]
_COLUMNS = 4

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Spread:
    """The weights of a layer, of all seeds together.

    Args:
        every: how many are in each bin.
        kept: of these, how many the tickets keep.
    """

    study: str
    layer: str
    bins: list[float]
    every: NDArray[np.int64]
    kept: NDArray[np.int64]


def figure(studies: Sequence[Study]) -> Picture:
    """A panel per experiment and layer, all seeds together; each distribution by itself has an area of 1."""
    found, notes = list[Spread](), list[str]()
    for place, study in enumerate(studies):
        if len(found) == MOST_PANELS:
            notes += left_out(place, len(studies))
            break
        spreads, several = _spreads(study, MOST_PANELS - len(found))
        found += spreads
        notes += [f"{study.name}: {line}" for line in left_out(len(spreads), several, "layers")]
    if not found:
        raise NotDrawn("no ticket")
    of_each = Counter(spread.study for spread in found).values()
    columns = min(_COLUMNS, max(of_each))
    places = _places(of_each, columns)
    picture, every = panels(places[-1] + 1, columns, size=(3.5, 2.9))
    for unused in set(range(len(every))) - set(places):
        every[unused].set_visible(False)
    axes = [every[place] for place in places]
    for panel, of in zip(axes, found, strict=True):
        filled, line = {"color": "#BBBBBB"}, {"histtype": "step", "linewidth": 1.6, "color": _BLUE}
        for counts, label, look in ((of.every, "all weights", filled), (of.kept, "kept by the ticket", line)):
            if counts.any():
                panel.hist(of.bins[:-1], of.bins, weights=counts, density=True, label=label, **look)
        if not of.kept.any():
            panel.text(0.03, 0.92, "nothing is kept", transform=panel.transAxes, fontsize=8)
        panel.set_xlabel("weight that the ticket starts from", fontsize=8)
        panel.set_yticks([])
        panel.xaxis.set_major_locator(MaxNLocator(6))
        titled(panel, f"{of.study}: {of.layer}", f"{of.kept.sum():,} of {of.every.sum():,} kept", width=40)
    drawn = {of.study for of in found}
    seeds = "all seeds together; " if any(len(study.runs) > 1 for study in studies if study.name in drawn) else ""
    legend(picture, axes, f"{seeds}each distribution has an area of 1", dense="all weights")
    heading(picture, *notes)
    return Picture(picture, notes)


def _places(of_each: Iterable[int], columns: int) -> list[int]:
    """Where the panels are of experiments that have so many each: each experiment begins a line."""
    places, start = list[int](), 0
    for several in of_each:
        places += range(start, start + several)
        start += -(-several // columns) * columns
    return places


def _spreads(study: Study, most: int) -> tuple[list[Spread], int]:
    """Those of the first layers, and how many layers there are. Each ticket is read twice, and none is kept."""
    tops: dict[str, float] = {}
    for layer, every, _ in _layers(study):
        tops[layer] = float(np.maximum(tops.get(layer, 0.0), np.abs(every).max(initial=0.0)))
    found = {layer: _empty(study.name, layer, top or 1.0) for layer, top in islice(tops.items(), most)}
    for layer, every, kept in _layers(study):
        if (spread := found.get(layer)) is not None:
            spread.every[:] += np.histogram(every, spread.bins)[0]
            spread.kept[:] += np.histogram(kept, spread.bins)[0]
    return list(found.values()), len(tops)


def _empty(study: str, layer: str, top: float) -> Spread:
    zeros = np.zeros((2, _BINS - 1), np.int64)
    return Spread(study, layer, np.linspace(-top, top, _BINS).tolist(), zeros[0], zeros[1])


def _layers(study: Study) -> Iterator[tuple[str, Values, Values]]:
    """Of each seed and layer: all weights, and those that are kept."""
    for seed in with_ticket(study):
        ticket = ticket_of(study, seed)
        order = [name for name in study.runs[seed].record.get("layers") or () if name in ticket.mask]
        for name in dict.fromkeys([*order, *ticket.mask]):
            weights, mask = ticket.weights[name].float(), ticket.mask[name]
            yield name, weights.numpy().ravel(), weights[mask].numpy()
