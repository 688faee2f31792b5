"""What learns a mask, in place of a criterion that scores a trained network."""

import math
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lth_cli.core.counts import Counts
from lth_cli.core.state import Params


@runtime_checkable
class Learner(Protocol):
    """Learns which weights to keep, by a score for each, while the weights stay as they are."""

    @property
    def lr_factor(self) -> float:
        """The learning rate of scores, in multiples of that of weights."""

    def begin(self, shape: Sequence[int], density: float, stream: torch.Generator) -> Tensor:
        """The first scores of a layer, of its weight's shape, of which the fraction `density` is to be kept."""

    def gates(self, scores: Params, alive: Params, keep: Counts, draw: Callable[[int], Tensor]) -> Params:
        """What multiplies the weights in a step, and the gradient through it.

        Args:
            scores: (rows, weights) per layer; rows share nothing.
            alive: likewise, 1.0 or 0.0 where an earlier round pruned the weight, whose gate is 0.
            keep: how many the mask will keep.
            draw: the number of a layer -> (rows, weights) uniform in [0, 1), others in every step.
        """

    def rank(self, scores: Tensor) -> Tensor:
        """What the mask is selected by: larger is kept."""


def check_factor(value: float) -> None:
    """Raise ValueError unless it is a factor of a learning rate."""
    if type(value) not in (int, float) or not 0 < value < math.inf:
        raise ValueError(f"lr_factor={value}: a number above 0")
