"""Iterative pruning: the algorithm of Frankle & Carbin (2019, §2), on one page. No disk, terminal or clock.

1. Randomly initialise a network. 2. Train it. 3. Prune a fraction of its weights. 4. Rewind the rest to where they were
(Frankle et al. 2020, §3, for iterations after 0), and train again: that is the winning ticket. Repeat 3 and 4.

Where the mask is learned (Zhou et al. 2019, §5), 3 and 4 are one: the ticket of a round is the mask that was trained on
the weights of the rewind point, which never change, and so do not those of its controls.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch

from lth_cli.controls.control import Arm, Context, Control
from lth_cli.core import masks
from lth_cli.core.arms import DENSE, WINNING
from lth_cli.core.budget import Keep
from lth_cli.core.seeds import generator
from lth_cli.core.state import Start, State
from lth_cli.lottery.invariants import check_round
from lth_cli.lottery.prune import Points, Prune
from lth_cli.lottery.pruned_to import Mask0
from lth_cli.patterns import Pattern
from lth_cli.pruners.learner import Learner
from lth_cli.rewind import Rewind
from lth_cli.training.jobs import Fit, Fitted, Job, Learn


def run_imp(
    seeds: Sequence[int],
    init: Callable[[torch.Generator], State],
    layers: Sequence[str],
    keep: Sequence[Keep],
    prune: Prune | Learner,
    pattern: Pattern,
    rewind: Rewind,
    controls: Callable[[int], Mapping[str, Control]],
    mask0: Mask0,
    fit: Fit,
    iterations: int,
    rewind_to: int,
) -> Iterator[list[Fitted]]:
    """Yield, round by round, every arm that was trained: dense in round 0, then the winning ticket and its controls.

    Args:
        seeds: one replicate each.
        init: generator -> a fresh network.
        layers: names of the prunable weights.
        keep: what to keep in round 0, 1, … n, from `budget.plan`.
        prune: points, mask, how many to keep, stream -> mask; or what learns it.
        pattern: of the masks.
        rewind: where a pruned network restarts.
        controls: round -> the controls to train beside the ticket, by arm.
        mask0: what pruned weights are.
        fit: trains jobs; one that it leaves out, because it diverged, is left out of the result. Without its ticket,
            so are a seed's controls and its later rounds.
        iterations: length of dense training.
        rewind_to: the iteration of dense training saved for `rewind`.

    Raises:
        InvariantError: the round that was just trained broke a rule of `invariants`.
    """
    start = {seed: Start(init(generator(seed, "init")), schedule=0, order=0, iterations=iterations) for seed in seeds}
    mask = {seed: masks.ones(start[seed].state.params, layers) for seed in seeds}
    previous, saved, trained = dict(mask), dict[int, State](), dict[int, State]()
    for round in range(len(keep)):
        previous, jobs, learned = dict(mask), list[Job](), list[Fitted]()
        if round == 0:
            jobs = [Job(round, DENSE, seed, start[seed], mask[seed], save_at=rewind_to) for seed in seeds]
        ticket = {s: rewind.restart(saved[s], trained[s], rewind_to, iterations) for s in seeds if round > 0}
        if isinstance(prune, Learner) and round > 0:
            learn = Learn(prune, keep[round])
            learned = fit([Job(round, WINNING, s, ticket[s], mask[s], learn=learn) for s in seeds])
            mask |= {one.job.seed: one.mask for one in learned}
            ticket = {one.job.seed: replace(one.job.start, iterations=0) for one in learned}
        for seed, restart in ticket.items():
            pruned_to = partial(mask0, init=start[seed].state.params, trained=trained[seed].params)
            context = Context(seed, round, init, 0 if learned else iterations, pattern.select, inverted=None)
            if not isinstance(prune, Learner):
                points = Points(start[seed].state, saved[seed], trained[seed])
                pruned = partial(prune, points, mask[seed], keep[round])
                mask[seed] = pruned(generator(seed, "prune", round))
                context = replace(context, inverted=partial(pruned, generator(seed, "prune", round), invert=True))
                at_rest = pruned_to(mask[seed], restart.state.params)
                jobs.append(Job(round, WINNING, seed, restart, mask[seed], pruned_to=at_rest))
            for name, control in controls(round).items():
                arm = control.make(Arm(restart, mask[seed]), context)
                at_rest = pruned_to(arm.mask, arm.start.state.params)
                jobs.append(Job(round, name, seed, arm.start, arm.mask, None, arm.random_labels, at_rest))
        fitted = sorted([*learned, *(fit(jobs) if jobs else [])], key=lambda one: seeds.index(one.job.seed))
        seeds = [one.job.seed for one in fitted if one.job.arm in (DENSE, WINNING)]
        fitted = [one for one in fitted if one.job.seed in seeds]
        check_round(fitted, controls(round), previous, keep[round], pattern)
        for one in fitted:
            if one.job.arm in (DENSE, WINNING):
                trained[one.job.seed] = _with_last_values(one, trained.get(one.job.seed, one.state))
            if one.saved is not None:
                saved[one.job.seed] = one.saved
        yield fitted


def _with_last_values(fitted: Fitted, before: State) -> State:
    """The trained state, in which a pruned weight has the last value it had alive.

    Its mask keeps it at zero in the ticket; but a control that keeps it must not start from a weight that is dead.
    """
    params = fitted.state.params
    alive = {name: torch.where(m, params[name], before.params[name]) for name, m in fitted.mask.items()}
    return State({**params, **alive}, fitted.state.buffers)
