"""What must hold after every round of every run. A violation stops the run: no number is better than a wrong one."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lth_cli.controls.control import Arm, Control
from lth_cli.core import masks
from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING
from lth_cli.core.counts import Counts
from lth_cli.core.state import Mask
from lth_cli.patterns import Pattern
from lth_cli.training.jobs import Fitted, Job


class InvariantError(AssertionError):
    """The run broke one of its own rules; its results cannot be trusted."""


def check_round(
    fitted: Sequence[Fitted],
    controls: Mapping[str, Control],
    previous: Mapping[int, Mask],
    keep: Counts,
    pattern: Pattern,
) -> None:
    """Check the arms of one round, against each other and against the round before.

    Args:
        fitted: all arms and seeds of the round.
        controls: those of the round by arm, each with its own check.
        previous: the ticket's mask of the round before, per seed.
        keep: what the round was asked to keep.
        pattern: of all masks.
    """
    tickets = {one.job.seed: one for one in fitted if one.job.arm in (DENSE, WINNING)}
    for one in fitted:
        job, ticket = one.job, tickets[one.job.seed]
        _check_weights(one)
        if job.arm == DENSE_RETRAINED:
            _require(masks.remaining(one.mask) == masks.total(one.mask), job, "it is pruned")
            continue
        if one is ticket:
            matches = keep.match(masks.layer_counts(one.mask))
            _require(matches, job, f"the mask does not keep the {keep} weights asked for")
            _require(masks.within(one.mask, previous[job.seed]), job, "pruning revived a weight")
        else:
            control = Arm(job.start, one.mask, job.random_labels)
            _forbid(controls[job.arm].violation(control, Arm(ticket.job.start, ticket.mask)), job)
        _forbid(pattern.violation(one.mask, keep), job)


def _check_weights(one: Fitted) -> None:
    """Pruned weights are what they are pruned to; where only a mask is learned, so are all others what they were."""
    job, params = one.job, one.state.params
    if job.pruned_to is None:
        _require(pruned_are_zero(params, one.mask), job, "a pruned weight is not zero")
    else:
        _require(pruned_are(params, one.mask, job.pruned_to), job, "a pruned weight is not what it is pruned to")
    if job.learner is not None or job.start.iterations == 0:
        start = masks.apply(one.mask, job.start.state.params, job.pruned_to)
        _require(unchanged(params, start), job, "a weight has changed, where only the mask is learned")


def pruned_are_zero(params: Mapping[str, Tensor], mask: Mask) -> bool:
    """Whether every pruned weight is exactly zero (NaN is not)."""
    return all(not bool(params[name][~m].any()) for name, m in mask.items())


def pruned_are(params: Mapping[str, Tensor], mask: Mask, pruned_to: Mapping[str, Tensor]) -> bool:
    """Whether every pruned weight is exactly that of `pruned_to`."""
    return all(torch.equal(params[name][~m], pruned_to[name][~m]) for name, m in mask.items())


def unchanged(params: Mapping[str, Tensor], start: Mapping[str, Tensor]) -> bool:
    """Whether all parameters are exactly those of `start`."""
    return all(torch.equal(params[name], p) for name, p in start.items())


def _require(holds: bool, job: Job, what: str) -> None:
    if not holds:
        raise InvariantError(f"{job}: {what}")


def _forbid(wrong: str | None, job: Job) -> None:
    _require(wrong is None, job, str(wrong))
