"""What a control beside a ticket is, what it may draw from, and what it says of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.seeds import generator
from lth_cli.core.state import Init, Mask, Start

SCORES, TRAINING, LABELS = "scores", "training", "labels"
"""What a control may need: a criterion's scores, weights that are trained, labels that are in memory."""


@dataclass(frozen=True)
class Context:
    """What a control may draw from.

    Args:
        seed: of the replicate.
        round: of the ticket.
        init: generator -> a fresh network.
        iterations: the whole training budget; 0 beside a ticket whose weights are not trained.
        select: scores, mask, how many to keep -> mask, under the run's pattern.
        inverted: makes the mask of the weights that the criterion ranks lowest, each by the last round that saw it;
            None where there is no criterion.
        draw: which of the draws that a config asks for, from 0.
    """

    seed: int
    round: int
    init: Init
    iterations: int
    select: Callable[[Mapping[str, Tensor], Mask, Counts], Mask]
    inverted: Callable[[], Mask] | None
    draw: int = 0

    def stream(self, purpose: str) -> torch.Generator:
        """What a control draws from, of a name of its own: another in each draw."""
        return generator(self.seed, purpose, self.round, *([self.draw] if self.draw else []))


@dataclass(frozen=True)
class Arm:
    """Where an arm starts, under which mask, and whether it trains on permuted labels."""

    start: Start
    mask: Mask
    random_labels: bool = False


@runtime_checkable
class Control(Protocol):
    """A control arm. It trains on the same data order as the ticket of its round and seed, and brings its own check.

    It may say more of itself: ``needs``, those of `SCORES`, `TRAINING` and `LABELS` that it cannot be made without; and
    ``wrong_mask(mask, ticket's mask)``, the part of its check that masks alone allow, for `lth verify`.
    """

    def make(self, ticket: Arm, context: Context) -> Arm:
        """From the ticket, the control."""

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        """What is wrong with a control beside its ticket, or None; checked in every round."""


@dataclass(frozen=True)
class Draw:
    """A control once more, with other random numbers.

    Args:
        control: it.
        number: of the draw, from 1; 0 is the control itself.
    """

    control: Control
    number: int

    @property
    def needs(self) -> tuple[str, ...]:
        return needs(self.control)

    def make(self, ticket: Arm, context: Context) -> Arm:
        return self.control.make(ticket, replace(context, draw=self.number))

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        return self.control.violation(control, ticket)


def needs(control: Control) -> tuple[str, ...]:
    """What a control says that it needs; nothing, where it does not say."""
    return tuple(getattr(control, "needs", ()))


def other_mask(mask: Mask, ticket: Mask) -> str | None:
    """What is wrong where a control must have the ticket's mask."""
    return None if masks.equal(mask, ticket) else "the mask is not the ticket's"


def same_arm(a: Arm, b: Arm) -> bool:
    """Whether two arms train the same: on the same labels, from the same place, under one mask, from weights that are
    equal but for a hundredth, as the deviation of a layer's constants is that constant but for their mean."""
    place = [(arm.start.schedule, arm.start.order, arm.start.iterations, arm.random_labels) for arm in (a, b)]
    if place[0] != place[1] or not masks.equal(a.mask, b.mask):
        return False
    ours, theirs = (masks.apply(arm.mask, arm.start.state.params) for arm in (a, b))
    return all(torch.allclose(ours[name], theirs[name], rtol=0.01, atol=0) for name in theirs)
