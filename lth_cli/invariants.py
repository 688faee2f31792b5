"""What must hold after every round of every run. A violation stops the run: no number is better than a wrong one."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from lth_cli import masks
from lth_cli.arms import DENSE, WINNING, Arm, Control
from lth_cli.budget import Keep
from lth_cli.masks import Mask
from lth_cli.patterns import Pattern
from lth_cli.select import counts_match
from lth_cli.training.jobs import Fitted


class InvariantError(AssertionError):
    """The run broke one of its own rules; its results cannot be trusted."""


def check_round(
    fitted: Sequence[Fitted],
    controls: Mapping[str, Control],
    previous: Mapping[int, Mask],
    keep: Keep,
    pattern: Pattern,
) -> None:
    """Check the arms of one round, against each other and against the round before.

    Args:
        fitted: all arms and seeds of the round.
        controls: those of the round by arm, each with its own check.
        previous: the ticket's mask of the round before, per seed.
        keep: what the round was asked to keep.
        pattern: of the ticket's mask.
    """
    tickets = {one.job.seed: one.job for one in fitted if one.job.arm in (DENSE, WINNING)}
    for one in fitted:
        job, ticket = one.job, tickets[one.job.seed]
        where = f"round {job.round}, {job.arm}, seed {job.seed}"
        _require(pruned_are_zero(one.state.params, job.mask), f"{where}: a pruned weight is not zero")
        if job is ticket:
            _require(counts_match(job.mask, keep), f"{where}: the mask does not keep the {keep} weights asked for")
            _require(masks.within(job.mask, previous[job.seed]), f"{where}: pruning revived a weight")
            wrong = pattern.violation(job.mask, keep)
        else:
            wrong = controls[job.arm].violation(Arm(job.start, job.mask), Arm(ticket.start, ticket.mask))
        _require(wrong is None, f"{where}: {wrong}")


def pruned_are_zero(params: Mapping[str, Tensor], mask: Mask) -> bool:
    """Whether every pruned weight is exactly zero (NaN is not)."""
    return all(not bool(params[name][~m].any()) for name, m in mask.items())


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise InvariantError(what)
