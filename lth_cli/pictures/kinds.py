"""The kinds of pictures. matplotlib, and torch where a picture needs masks, are imported only to draw one."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lth_cli.pictures.studies import Study

KINDS = {
    "accuracy": "test accuracy over weights remaining",
    "early_stop": "early-stop iteration over weights remaining",
    "curves": "learning curves of some rounds",
    "layers": "density per layer over rounds",
    "input_mask": "how many weights of each input pixel are kept",
    "overlap": "overlap of masks between rounds and between seeds",
    "weights": "the weights that a ticket keeps, among all it starts from",
    "cost": "test accuracy over all training up to there",
}
"""By the name of the module that draws it."""

BY = ("accuracy", "early_stop", "cost")  # which can lay experiments on one axis


class NotDrawn(Exception):
    """There is nothing that a picture of this kind could show; the text says why."""


@dataclass(frozen=True)
class Picture:
    """A picture, and a line for each thing that was left out of it, which it says itself, too."""

    figure: Figure
    notes: list[str] = field(default_factory=list)


def picture(kind: str, studies: Sequence[Study], by: str | None = None) -> Picture:
    """A picture of experiments.

    Args:
        by: a key of the config, for the kinds of `BY`: experiments that differ in nothing else are on one axis.

    Raises:
        NotDrawn: nothing to show.
        Damaged: what it needs of a run cannot be read.
    """
    found = importlib.import_module(f"lth_cli.pictures.{kind}")
    made: Picture = found.figure(studies, by) if kind in BY else found.figure(studies)
    return made
