"""What a network is made of, as plain tensors by name: its values, its mask, and from where it trains."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

Params = dict[str, Tensor]
Mask = dict[str, Tensor]
"""Bool tensors of the weights' shapes by layer, True where the weight is kept."""

Logits = Callable[[Params, Params, Tensor, bool], Tensor]
"""A network as a function: params, buffers, images, training -> logits (n, classes)."""


@dataclass(frozen=True)
class State:
    """The values of a network: parameters and buffers by name.

    Args:
        moments: what its optimizer remembers, as what/parameter; empty where that is not kept, or starts fresh.
    """

    params: Params
    buffers: Params
    moments: Params = field(default_factory=dict)


Init = Callable[[torch.Generator], State]
"""A stream of random numbers -> a fresh network."""


@dataclass(frozen=True)
class Start:
    """From where, and for how long, a network trains.

    Args:
        state: weights and buffers, and the optimizer's moments where it goes on with them.
        schedule: iteration of the learning-rate schedule; past its end, the last learning rate holds.
        order: iteration of the data order.
        iterations: how many iterations to train.
        lr: a constant learning rate in place of the schedule's; None: the schedule's.
    """

    state: State
    schedule: int
    order: int
    iterations: int
    lr: float | None = None
