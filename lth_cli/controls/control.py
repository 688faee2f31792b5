"""What a control beside a ticket is, and what it may draw from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lth_cli.core.budget import Keep
from lth_cli.core.state import Mask, Start, State


@dataclass(frozen=True)
class Context:
    """What a control may draw from.

    Args:
        seed: of the replicate.
        round: of the ticket.
        init: generator -> a fresh network.
        iterations: the whole training budget; 0 beside a ticket whose weights are not trained.
        select: scores, mask, how many to keep -> mask, under the run's pattern.
        inverted: makes the mask of this round with the criterion's ranking turned upside down; None where there is no
            criterion.
    """

    seed: int
    round: int
    init: Callable[[torch.Generator], State]
    iterations: int
    select: Callable[[Mapping[str, Tensor], Mask, Keep], Mask]
    inverted: Callable[[], Mask] | None


@dataclass(frozen=True)
class Arm:
    """Where an arm starts, under which mask, and whether it trains on permuted labels."""

    start: Start
    mask: Mask
    random_labels: bool = False


@runtime_checkable
class Control(Protocol):
    """A control arm. It trains on the same data order as the ticket of its round and seed, and brings its own check."""

    def make(self, ticket: Arm, context: Context) -> Arm:
        """From the ticket, the control."""

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        """What is wrong with a control beside its ticket, or None; checked in every round."""
