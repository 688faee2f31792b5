"""What must hold after every round of every run. A violation stops the run: no number is better than a wrong one."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lth_cli import masks
from lth_cli.arms import DENSE, WINNING
from lth_cli.budget import Keep
from lth_cli.masks import Mask
from lth_cli.select import counts_match
from lth_cli.training.jobs import Fitted


class InvariantError(AssertionError):
    """The run broke one of its own rules; its results cannot be trusted."""


def check_round(fitted: Sequence[Fitted], previous: Mapping[int, Mask], keep: Keep) -> None:
    """Check the arms of one round, against each other and against the round before.

    Args:
        fitted: all arms and seeds of the round.
        previous: the ticket's mask of the round before, per seed.
        keep: what the round was asked to keep.
    """
    tickets = {f.job.seed: f for f in fitted if f.job.arm in (DENSE, WINNING)}
    for one in fitted:
        job, ticket = one.job, tickets[one.job.seed]
        where = f"round {job.round}, {job.arm}, seed {job.seed}"
        _require(pruned_are_zero(one.state.params, job.mask), f"{where}: a pruned weight is not zero")
        _require(masks.layer_counts(job.mask) == masks.layer_counts(ticket.job.mask), f"{where}: other layer counts")
        if one is ticket:
            _require(counts_match(job.mask, keep), f"{where}: the mask does not keep the {keep} weights asked for")
            _require(masks.within(job.mask, previous[job.seed]), f"{where}: pruning revived a weight")
        elif job.arm == "random_mask":
            differs = not masks.equal(job.mask, ticket.job.mask) or not masks.can_shuffle(job.mask)
            _require(differs, f"{where}: the shuffled mask is the ticket's")
        elif job.arm == "random_reinit":
            _require(masks.equal(job.mask, ticket.job.mask), f"{where}: the mask is not the ticket's")
            _require(_all_differ(one, ticket), f"{where}: a layer was not reinitialised")


def pruned_are_zero(params: Mapping[str, Tensor], mask: Mask) -> bool:
    """Whether every pruned weight is exactly zero (NaN is not)."""
    return all(not bool(params[name][~m].any()) for name, m in mask.items())


def _all_differ(one: Fitted, ticket: Fitted) -> bool:
    a, b = one.job.start.state.params, ticket.job.start.state.params
    return all(not torch.equal(a[name], b[name]) for name in one.job.mask)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise InvariantError(what)
