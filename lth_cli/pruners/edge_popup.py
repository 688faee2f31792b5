"""Edge-popup: the weights with the highest scores, which move with what each weight would do."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_cli.core.counts import Counts
from lth_cli.core.state import Params
from lth_cli.pruners.learner import check_factor


@dataclass(frozen=True)
class EdgePopup:
    """Keep the largest absolute scores, in every step exactly as many as the mask will (Ramanujan et al. 2020, §3).

    The gradient passes the selection as if it were |score|. As in the authors' code the ranking is of absolute scores,
    which begin uniform in ±1/√(inputs). The weights are best of one size each, `init=signed_constant`.

    Deviations: the fraction kept is the schedule's, with ``scope: layerwise`` the same in each layer, as in the paper;
    their scaling of the weights by 1/√(fraction kept) is not taken, which in a network of ReLUs without biases changes
    the loss but no prediction.

    Args:
        lr_factor: the learning rate of scores over `train.lr`, above 0.
    """

    lr_factor: float

    def __post_init__(self) -> None:
        check_factor(self.lr_factor)

    def begin(self, shape: Sequence[int], density: float, stream: torch.Generator) -> Tensor:
        inputs = math.prod(shape[1:])
        return (2 * torch.rand(tuple(shape), generator=stream) - 1) / math.sqrt(inputs)

    def gates(self, scores: Params, alive: Params, keep: Counts, draw: Callable[[int], Tensor]) -> Params:
        sizes = {name: score.abs() * alive[name] for name, score in scores.items()}
        least: Params = {}
        for layers, k in keep.rankings(sizes):
            least |= dict.fromkeys(layers, _least(torch.cat([sizes[name] for name in layers], dim=1), k))
        return {name: (size >= least[name]) * alive[name] + (size - size.detach()) for name, size in sizes.items()}

    def rank(self, scores: Tensor) -> Tensor:
        return scores.abs()


def _least(sizes: Tensor, k: int) -> Tensor:
    """(rows, weights) -> (rows, 1): the k-th largest of each row."""
    if k == 0:
        return torch.full_like(sizes[:, :1], torch.inf)
    return sizes.detach().topk(k, dim=1, sorted=False).values.amin(1, keepdim=True)
