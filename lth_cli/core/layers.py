"""Prunable layers, and the densities that a schedule may ask of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

KINDS = ("conv", "fc", "output")  # of layers: convolutional, linear, and the last linear one

Density = float | dict[str, float]
"""Of all layers, or by kind of layer; in (0, 1]."""


@dataclass(frozen=True)
class Layer:
    """A prunable layer: its weight's shape (out, in, …), and its kind, one of `KINDS`."""

    shape: Sequence[int]
    kind: str

    @property
    def size(self) -> int:
        """How many weights it has."""
        return math.prod(self.shape)
