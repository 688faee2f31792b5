"""Supermasks: a coin for every weight, whose bias is learned."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_cli.core.counts import Counts
from lth_cli.core.state import Params
from lth_cli.pruners.learner import check_factor


@dataclass(frozen=True)
class Supermask:
    """Keep a weight with probability sigmoid(score), drawn anew in every step (Zhou et al. 2019, §5.1).

    The gradient passes the draw as if it were the probability: d gate / d score = sigmoid'(score). With `rescale`, the
    paper's dynamic weight rescaling, a layer's weights are multiplied by its weights over those drawn.

    Deviations: the mask is that of the highest scores, as many as the round asks for, and evaluations use it, where
    the paper draws there too and counts what it gets; it has the plain weights, which in a network of ReLUs without
    biases changes the loss but no prediction. Scores begin where as many are expected, where the paper starts all at
    one value that it tunes.

    Args:
        rescale: whether weights are rescaled in training.
        lr_factor: the learning rate of scores over `train.lr`, above 0; the paper's is far above that of weights.
    """

    rescale: bool
    lr_factor: float

    def __post_init__(self) -> None:
        if type(self.rescale) is not bool:
            raise ValueError(f"rescale={self.rescale}: true or false")
        check_factor(self.lr_factor)

    def begin(self, shape: Sequence[int], density: float, stream: torch.Generator) -> Tensor:
        p = min(max(density, 0.001), 0.999)
        return torch.full(tuple(shape), math.log(p / (1 - p)))

    def gates(self, scores: Params, alive: Params, keep: Counts, draw: Callable[[int], Tensor]) -> Params:
        found = {}
        for i, (name, score) in enumerate(scores.items()):
            p = score.sigmoid() * alive[name]
            gate = (draw(i) < p) + (p - p.detach())
            if self.rescale:
                gate = gate * (alive[name].sum(1) / gate.sum(1).clamp(min=1)).unsqueeze(1)
            found[name] = gate
        return found

    def rank(self, scores: Tensor) -> Tensor:
        return scores
