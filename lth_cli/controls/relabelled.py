"""A control that is the ticket itself, trained on labels that mean nothing."""

from dataclasses import dataclass, replace

import torch

from lth_cli.controls.control import LABELS, TRAINING, Arm, Context, other_mask
from lth_cli.core.state import Mask


@dataclass(frozen=True)
class RandomLabels:
    """The ticket, trained on permuted training labels (after Zhang et al. 2017, §2.1, shuffled labels).

    Validation and test labels are as they are, so its accuracy there is chance; what its training loss reaches is
    what the sparse network can learn by heart. Batches are the ticket's. The permutation is that of the seed, the same
    in all rounds.

    Deviations: the paper draws labels anew and so changes how many there are of each class, a permutation does not.
    Su et al. (2020, §4.1) corrupt the labels while pruning, and then train on true ones; here the mask is the ticket's.
    """

    needs = (TRAINING, LABELS)

    def make(self, ticket: Arm, context: Context) -> Arm:
        return replace(ticket, random_labels=True)

    def wrong_mask(self, mask: Mask, ticket: Mask) -> str | None:
        """It is the ticket's."""
        return other_mask(mask, ticket)

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        """Mask and start must be the ticket's, and the labels not."""
        if not control.random_labels or ticket.random_labels:
            return "the training labels are the ticket's"
        if wrong := self.wrong_mask(control.mask, ticket.mask):
            return wrong
        ours, theirs = control.start, ticket.start
        other = [n for n, p in theirs.state.params.items() if not torch.equal(ours.state.params[n], p)]
        place = (ours.schedule, ours.order, ours.iterations) == (theirs.schedule, theirs.order, theirs.iterations)
        return f"{other[0]} does not start as the ticket's" if other else None if place else "it starts elsewhere"
