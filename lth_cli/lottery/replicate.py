"""What a seed carries from round to round, and the ticket that a round finds for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from lth_cli.core.state import Mask, Params, Start, State
from lth_cli.training.jobs import Fitted


@dataclass(frozen=True)
class Replicate:
    """One seed between two rounds.

    Args:
        init: the network at its initialisation, iteration 0 of round 0.
        rewind: at the rewind point.
        trained: at the end of the last training; a weight that is pruned has the last value that it had alive.
        mask: of the last ticket; dense after round 0.
        ranks: how the criterion ranked each weight when it last saw it; None where nobody asks.
    """

    seed: int
    init: State
    rewind: State
    trained: State
    mask: Mask
    ranks: Params | None = None

    @classmethod
    def dense(cls, fitted: Fitted) -> "Replicate":
        """After round 0."""
        assert fitted.saved is not None
        return cls(fitted.job.seed, fitted.job.start.state, fitted.saved, fitted.state, fitted.mask)

    def after(self, ticket: Fitted) -> "Replicate":
        """After its ticket was trained."""
        return replace(self, trained=last_alive(ticket.state, ticket.mask, self.trained), mask=ticket.mask)


def last_alive(state: State, mask: Mask, before: State) -> State:
    """A trained state in which a weight that is pruned has its value from before: the last that it had alive.

    In the ticket it is zero, but a control may keep it, and must not start from a dead weight.
    """
    alive = {name: torch.where(m, state.params[name], before.params[name]) for name, m in mask.items()}
    return replace(state, params={**state.params, **alive})


@dataclass(frozen=True)
class Found:
    """A ticket that was found for a replicate.

    Args:
        replicate: as it was before, and how its weights were ranked now.
        start: where the ticket trains from, and for how long.
        mask: of the ticket.
        inverted: makes the mask of the weights that rank lowest; None where nothing is ranked.
        learned: the training that has learned the mask, where it was learned; None where the ticket is yet to train.
    """

    replicate: Replicate
    start: Start
    mask: Mask
    inverted: Callable[[], Mask] | None = None
    learned: Fitted | None = None
