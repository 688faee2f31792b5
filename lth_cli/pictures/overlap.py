"""Overlap of masks, intersection over union, between the rounds of a seed and between seeds; and what chance gives."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from lth_cli.core import masks
from lth_cli.core.arms import DENSE, WINNING
from lth_cli.core.state import Mask
from lth_cli.pictures.canvas import MOST_PANELS, SHADES, Axes, heading, left_out, panels, text
from lth_cli.pictures.kinds import NotDrawn, Picture
from lth_cli.pictures.studies import Study
from lth_cli.pictures.tickets import mask_at

_MOST = 9  # rounds or seeds of a matrix whose numbers are to be read

Matrix = NDArray[np.float64]

EXPLAINED = (
    "overlap of masks (intersection over union): on and below the diagonal as found; above it, in italics, "
    "what random masks with as many weights in each layer give"
)


def figure(studies: Sequence[Study]) -> Picture:
    """Two panels per experiment: rounds, the mean over seeds; and seeds in the last round, where there are several."""
    found = list[tuple[str, str, list[str], Matrix]]()
    notes = list[str]()
    for study in studies[: MOST_PANELS // 2]:
        rounds = study.rounds(_MOST)
        seeds = [seed for seed in study.experiment.of(*_place(rounds[-1])) if seed in study.runs]
        if len(rounds) < 2 or not seeds:
            continue
        few, last, of_seeds = seeds[:_MOST], list[Mask](), list[Matrix]()
        for seed in seeds:
            of_rounds = [mask_at(study, *_place(k), seed) for k in rounds]
            of_seeds.append(_matrix(of_rounds))
            last += of_rounds[-1:] if seed in few else []
        matrix = np.mean(of_seeds, axis=0)
        mean = f", mean over {len(seeds)} seeds" if len(seeds) > 1 else f", seed {seeds[0]}"
        found.append((f"{study.name}: rounds{mean}", "round", [f"{k}" for k in rounds], matrix))
        if len(seeds) > 1:
            notes += [f"{study.name}: {line}" for line in left_out(len(few), len(seeds), "seeds")]
            kept = 100 * fmean(map(masks.density, last))
            title = f"{study.name}: seeds, round {rounds[-1]}, {kept:.3g}% of weights"
            found.append((title, "seed", [f"{seed}" for seed in few], _matrix(last)))
    if not found:
        raise NotDrawn("no two masks")
    notes += left_out(min(len(studies), MOST_PANELS // 2), len(studies))
    picture, axes = panels(len(found), columns=2, size=(4.4, 4.2), least=5.0)
    for panel, (title, what, labels, matrix) in zip(axes, found, strict=True):
        _draw(panel, labels, matrix)
        panel.set_title(text(title, 56), fontsize=9)
        panel.set_xlabel(what, fontsize=9)
        panel.set_ylabel(what, fontsize=9)
    heading(picture, EXPLAINED, *notes)
    return Picture(picture, notes)


def _place(round: int) -> tuple[str, int]:
    return (WINNING if round else DENSE), round


def _matrix(several: Sequence[Mask]) -> Matrix:
    """Below the diagonal what is, above it what chance gives; on it 1."""
    found = np.eye(len(several))
    for i, one in enumerate(several):
        for j, other in enumerate(several[:i]):
            found[i, j], found[j, i] = masks.overlap(one, other), chance(one, other)
    return found


def chance(a: Mask, b: Mask) -> float:
    """The overlap of two random masks with the counts that these have in each layer, by the mean of what they share."""
    counts: list[Mapping[str, int]] = [masks.layer_counts(a), masks.layer_counts(b)]
    both = sum(counts[0][name] * counts[1][name] / max(1, m.numel()) for name, m in a.items())
    either = sum(map(sum, (one.values() for one in counts))) - both
    return both / either if either else 1.0


def _draw(panel: Axes, labels: Sequence[str], matrix: Matrix) -> None:
    # The darkest still carries black print; a layout of cells that must be square would cut off what is below them.
    panel.imshow(matrix, cmap=SHADES, vmin=0, vmax=2, aspect="auto")
    for i, j in np.ndindex(matrix.shape):
        style = "italic" if j > i else "normal"
        value = float(matrix[i, j])
        panel.text(
            j,
            i,
            f"{value:.3f}" if value < 0.095 else f"{value:.2f}",
            ha="center",
            va="center",
            fontsize=8,
            fontstyle=style,
        )
    panel.set_xticks(range(len(labels)), labels=list(labels), fontsize=8)
    panel.set_yticks(range(len(labels)), labels=list(labels), fontsize=8)
