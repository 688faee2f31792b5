"""Iterative pruning: the algorithm of Frankle & Carbin (2019, §2), on one page. No disk, terminal or clock.

1. Randomly initialise a network. 2. Train it. 3. Prune a fraction of its weights. 4. Rewind the rest to where they were
(Frankle et al. 2020, §3, for iterations after 0), and train again: that is the winning ticket. Repeat 3 and 4.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from lth_cli.controls.control import Control
from lth_cli.core import masks
from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING
from lth_cli.core.seeds import generator
from lth_cli.core.state import Init, Start
from lth_cli.lottery.find import Search
from lth_cli.lottery.invariants import check_round
from lth_cli.lottery.pruned_to import PrunedTo
from lth_cli.lottery.replicate import Replicate
from lth_cli.lottery.rounds import after, jobs_of, train
from lth_cli.training.jobs import Fit, Fitted, Job


def run_imp(
    seeds: Sequence[int],
    init: Init,
    layers: Sequence[str],
    search: Search,
    controls: Callable[[int], Mapping[str, Control]],
    pruned_to: PrunedTo,
    fit: Fit,
    iterations: int,
) -> Iterator[list[Fitted]]:
    """Yield, round by round, every arm that was trained: dense in round 0, then the winning ticket and its controls.

    Args:
        seeds: one replicate each. One whose dense network or ticket diverged is left out from then on.
        init: generator -> a fresh network.
        layers: names of the prunable weights.
        search: how many weights each round keeps, and how its tickets are found.
        controls: round -> the controls to train beside the tickets, by arm.
        pruned_to: what pruned weights are.
        fit: trains jobs; answers in their order, with None for one that diverged.
        iterations: length of dense training.

    Raises:
        InvariantError: the round that was just trained broke a rule of `invariants`.
    """
    start = {s: Start(init(generator(s, "init")), schedule=0, order=0, iterations=iterations) for s in seeds}  # 1
    dense = {s: masks.ones(start[s].state.params, layers) for s in seeds}
    jobs = [Job(0, DENSE, s, start[s], dense[s], save_at=search.rewind_to) for s in seeds]
    fitted = [one for one in fit(jobs) if one is not None]  # 2
    check_round(fitted, {}, dense, search.keep[0], search.pattern)
    yield fitted
    replicates = {one.job.seed: Replicate.dense(one) for one in fitted}
    unpruned = replicates if search.retrain is not None else {}
    for round in range(1, len(search.keep)):
        tickets = search.find(round, search.keep[round], list(replicates.values()), fit)  # 3
        beside = controls(round)
        arms = [jobs_of(ticket, round, beside, init, iterations, search, pruned_to, unpruned) for ticket in tickets]
        fitted = train(tickets, arms, fit)  # 4
        check_round(fitted, beside, {s: r.mask for s, r in replicates.items()}, search.keep[round], search.pattern)
        yield fitted
        replicates = after((ticket.replicate for ticket in tickets), WINNING, fitted)
        unpruned = after(unpruned.values(), DENSE_RETRAINED, fitted)
