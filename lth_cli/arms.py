"""The arms that are trained beside the winning ticket: from the ticket, another start and mask.

A control is a function ``(ticket, mask, context) -> (start, mask)``. It trains on the same data order as the ticket of
its round and seed.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
    init: Callable[..., State]
    iterations: int


Control = Callable[[Start, Mask, Context], tuple[Start, Mask]]


def random_reinit(ticket: Start, mask: Mask, context: Context) -> tuple[Start, Mask]:
    """The ticket's mask on a fresh initialisation (Frankle & Carbin 2019, §2).

    A fresh initialisation belongs to iteration 0, so it gets the whole schedule and budget, never less than the ticket.
    """
    fresh = context.init(generator(context.seed, "reinit", context.round))
    return Start(fresh, schedule=0, order=0, iterations=context.iterations), mask


def random_mask(ticket: Start, mask: Mask, context: Context) -> tuple[Start, Mask]:
    """The ticket's weights under a mask shuffled within each layer (Frankle & Carbin 2019, appendix F.2).

    Each layer keeps its count; start weights, schedule and data order are the ticket's.
    """
    return ticket, masks.shuffle(mask, generator(context.seed, "mask", context.round))


CONTROLS: tuple[Control, ...] = (random_reinit, random_mask)
