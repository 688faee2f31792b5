"""The arms that are trained beside the winning ticket: from the ticket, another start and mask.

A control trains on the same data order as the ticket of its round and seed, and brings its own check.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from lth_cli import masks
from lth_cli.masks import Mask
from lth_cli.rewind import Start, State
from lth_cli.seeds import generator

DENSE = "dense"
WINNING = "winning"


@dataclass(frozen=True)
class Context:
    """What a control may draw from.

    Args:
        seed: of the replicate.
        round: of the ticket.
        init: generator -> a fresh network.
        iterations: the whole training budget.
    """

    seed: int
    round: int
    init: Callable[[torch.Generator], State]
    iterations: int


@dataclass(frozen=True)
class Arm:
    """Where an arm starts, and under which mask."""

    start: Start
    mask: Mask


@dataclass(frozen=True)
class Control:
    """A control arm.

    Args:
        name: the arm's name in files and tables.
        make: from the ticket, the control.
        violation: what is wrong with a control beside its ticket, or None; checked in every round.
    """

    name: str
    make: Callable[[Arm, Context], Arm]
    violation: Callable[[Arm, Arm], str | None]


def random_reinit(ticket: Arm, context: Context) -> Arm:
    """The ticket's mask on a fresh initialisation (Frankle & Carbin 2019, §2).

    A fresh initialisation belongs to iteration 0, so it gets the whole schedule and budget, never less than the ticket.
    """
    fresh = context.init(generator(context.seed, "reinit", context.round))
    return Arm(Start(fresh, schedule=0, order=0, iterations=context.iterations), ticket.mask)


def not_reinitialised(control: Arm, ticket: Arm) -> str | None:
    """The mask must be the ticket's, and every layer's weights others."""
    if not masks.equal(control.mask, ticket.mask):
        return "the mask is not the ticket's"
    ours, theirs = control.start.state.params, ticket.start.state.params
    same = [name for name in ticket.mask if torch.equal(ours[name], theirs[name])]
    return f"{same[0]} was not reinitialised" if same else None


def random_mask(ticket: Arm, context: Context) -> Arm:
    """The ticket's weights under a mask shuffled within each layer (Frankle & Carbin 2019, appendix F.2).

    Each layer keeps its count; start weights, schedule and data order are the ticket's. Where a strategy keeps trained
    weights, a weight that an earlier round pruned starts from the last value it had.
    """
    return Arm(ticket.start, masks.shuffle(ticket.mask, generator(context.seed, "mask", context.round)))


def not_shuffled(control: Arm, ticket: Arm) -> str | None:
    """Each layer must keep its count at other places, and the weights kept must be alive."""
    for name, m in ticket.mask.items():
        if masks.can_shuffle(m) and torch.equal(control.mask[name], m):
            return f"the mask of {name} is the ticket's"
        dead = _kept_at_zero(control, name)
        # A drawn weight may be zero by chance, but not one in a hundred.
        if dead > _kept_at_zero(ticket, name) + max(1, 0.01 * int(m.sum())):
            return f"{dead:,} weights of {name} that it keeps start at zero"
    return None


def _kept_at_zero(arm: Arm, name: str) -> int:
    return int((arm.start.state.params[name][arm.mask[name]] == 0).sum())


CONTROLS = (
    Control("random_reinit", random_reinit, not_reinitialised),
    Control("random_mask", random_mask, not_shuffled),
)
