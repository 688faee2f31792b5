"""The metrics over a split, and the points of a learning curve."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth_cli.core.metrics import METRICS
from lth_cli.datasets.dataset import Examples

_BATCH = 1000

Measured = dict[str, float]
"""By the name of the metric. One that came after the run was written is left out."""


@dataclass(frozen=True)
class Evaluation:
    """One point of the learning curve; `iteration` counts along the data order, so a rewound ticket starts at k.

    The first one is where training starts, and has no training loss: it is that of an untrained mask.
    """

    iteration: int
    train_loss: float | None
    val: Measured
    test: Measured

    @property
    def val_loss(self) -> float:
        return self.val["loss"]

    @property
    def val_accuracy(self) -> float:
        return self.val["accuracy"]

    @property
    def test_loss(self) -> float:
        return self.test["loss"]

    @property
    def test_accuracy(self) -> float:
        return self.test["accuracy"]

    def flat(self) -> dict[str, float | None]:
        """A value per column of curves.csv; None for what is left out."""
        return {
            "iteration": self.iteration,
            "train_loss": self.train_loss,
            **self.cells("val"),
            **self.cells("test"),
        }

    def cells(self, split: str) -> dict[str, float | None]:
        """What was measured on a split, by column."""
        measured = self.val if split == "val" else self.test
        return {metric.column(split): measured.get(metric.name) for metric in METRICS}

    @classmethod
    def from_flat(cls, row: Mapping[str, Any]) -> "Evaluation":
        """What `flat` gave; raises KeyError where a column is missing."""

        def measured(split: str) -> Measured:
            values = {metric.name: row[metric.column(split)] for metric in METRICS}
            return {name: value for name, value in values.items() if value is not None}

        return cls(row["iteration"], row["train_loss"], measured("val"), measured("test"))


@torch.inference_mode()
def evaluate(logits: Callable[[Tensor], Tensor], split: Examples, device: torch.device) -> list[Measured]:
    """The metrics of each row, in large batches; read from the device once, at the end.

    Args:
        logits: (batch, …) -> (rows, batch, classes).
    """
    totals: list[Tensor] = []
    for x, y in split.batches(_BATCH):
        scores = logits(x.to(device)).float()
        targets = y.to(device).expand(len(scores), -1)
        totals.append(torch.stack([metric.of(scores, targets) for metric in METRICS]))
    means = torch.stack(totals).double().sum(0).div(len(split)).tolist()
    return [{metric.name: mean for metric, mean in zip(METRICS, row, strict=True)} for row in zip(*means, strict=True)]
