"""What is measured at each evaluation: one list, from which evaluation, tables, checks and reports are derived."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SPLITS = ("val", "test")


@dataclass(frozen=True)
class Metric:
    """A number of a network on a split, the mean over its examples.

    Args:
        name: of the columns val_NAME and test_NAME.
        of: logits (rows, batch, classes), float32, and targets (rows, batch) -> sum over the batch, (rows,).
        since: the format of run directories from which on they have it: that of a new one is one more than the newest
            here, which makes it the format of what is written.
        low: the least that it can be.
        top: and the most.
    """

    name: str
    of: "Callable[[Tensor, Tensor], Tensor]"
    since: int
    low: float = 0.0
    top: float = math.inf

    def column(self, split: str) -> str:
        """The name of its column for a split."""
        return f"{split}_{self.name}"


def _loss(logits: "Tensor", targets: "Tensor") -> "Tensor":
    """Cross-entropy."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits.transpose(1, 2), targets, reduction="none").sum(1)


def _hits(logits: "Tensor", targets: "Tensor") -> "Tensor":
    return (logits.argmax(2) == targets).sum(1)


LOSS = Metric("loss", _loss, since=1)
ACCURACY = Metric("accuracy", _hits, since=1, top=1.0)
METRICS = (LOSS, ACCURACY)


def further() -> list[Metric]:
    """Those beside the loss, which says when to stop, and the accuracy, of which the verdict is."""
    return [metric for metric in METRICS if metric not in (LOSS, ACCURACY)]
