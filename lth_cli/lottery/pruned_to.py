"""What pruned weights are, in training and after it: the mask-0 actions of Zhou et al. (2019, §4.2).

A function of an arm's mask and start, and of the replicate's initial and last trained weights. It gives, by layer, what
each weight is if it is pruned, or None for zero everywhere.
"""

from typing import Protocol

import torch

from lth_cli.core.state import Mask, Params


class PrunedTo(Protocol):
    """Mask, start, initial and trained weights -> what pruned weights are."""

    def __call__(self, mask: Mask, start: Params, init: Params, trained: Params) -> Params | None: ...


def zero(mask: Mask, start: Params, init: Params, trained: Params) -> None:
    """Zero, as in Frankle & Carbin (2019)."""


def start(mask: Mask, start: Params, init: Params, trained: Params) -> Params:
    """Frozen where the arm starts; under rewind=init that is the paper's "freeze at init"."""
    return {name: start[name].clone() for name in mask}  # a ticket has both, and its file shares no memory


def movement(mask: Mask, start: Params, init: Params, trained: Params) -> Params:
    """Zero for weights that training moved towards zero, frozen at the start for the others.

    A weight that an earlier round pruned moved as far as it did while it was alive.
    """
    return {
        name: torch.where(trained[name].abs() < init[name].abs(), torch.zeros_like(start[name]), start[name])
        for name in mask
    }


PRUNED_TO: dict[str, PrunedTo] = {"zero": zero, "start": start, "movement": movement}
