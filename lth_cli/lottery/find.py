"""Ways to find the tickets of a round: prune and rewind, learn the mask, or take a given ticket. One function each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from lth_cli.core.arms import WINNING
from lth_cli.core.counts import Counts
from lth_cli.core.seeds import generator
from lth_cli.core.state import Mask, Start
from lth_cli.lottery.prune import Pruner
from lth_cli.lottery.replicate import Found, Replicate
from lth_cli.patterns import Pattern
from lth_cli.pruners.learner import Learner
from lth_cli.training.jobs import Fit, Job

Restart = Callable[[Replicate], Start]


class Find(Protocol):
    """Finds the tickets of a round."""

    def __call__(self, round: int, keep: Counts, replicates: Sequence[Replicate], fit: Fit) -> list[Found]:
        """A ticket that keeps `keep` for each replicate, in their order; one whose training diverged has none.

        Args:
            fit: trains jobs, where finding takes training.
        """


@dataclass(frozen=True)
class Search:
    """How tickets are searched.

    Args:
        keep: how many weights rounds 0 … n keep.
        pattern: of the masks.
        rewind_to: the iteration of dense training whose state `find` wants.
        find: finds the tickets of a round.
        retrain: where the dense network restarts in each round, to be trained again unpruned; None: it is not.
    """

    keep: Sequence[Counts]
    pattern: Pattern
    rewind_to: int
    find: Find
    retrain: Restart | None = None


def prune_and_rewind(
    round: int, keep: Counts, replicates: Sequence[Replicate], fit: Fit, *, prune: Pruner, restart: Restart
) -> list[Found]:
    """The weights that a criterion likes best, back where they were (Frankle & Carbin 2019, §2)."""

    found = []
    for one in replicates:
        mask, ranks = prune(one, keep, generator(one.seed, "prune", round))
        lowest = None if ranks is None else partial(prune.lowest, ranks, keep)
        found.append(Found(replace(one, ranks=ranks), restart(one), mask, lowest))
    return found


def learn_the_mask(
    round: int, keep: Counts, replicates: Sequence[Replicate], fit: Fit, *, learner: Learner, restart: Restart
) -> list[Found]:
    """The mask that is trained on the weights of the rewind point, which never change (Zhou et al. 2019, §5)."""
    jobs = [Job(round, WINNING, r.seed, restart(r), r.mask, learner=learner, keep=keep) for r in replicates]
    return [
        Found(replicate, replace(one.job.start, iterations=0), one.mask, learned=one)
        for replicate, one in zip(replicates, fit(jobs), strict=True)
        if one is not None
    ]


def take_given(
    round: int, keep: Counts, replicates: Sequence[Replicate], fit: Fit, *, mask: Mask, restart: Restart
) -> list[Found]:
    """A ticket that was found elsewhere (Morcos et al. 2019)."""
    return [Found(replicate, restart(replicate), mask) for replicate in replicates]
