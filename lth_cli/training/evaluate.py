"""Loss and accuracy over a split."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_cli.datasets.dataset import Examples

_BATCH = 1000


@dataclass(frozen=True)
class Evaluation:
    """One point of the learning curve; `iteration` counts along the data order, so a rewound ticket starts at k."""

    iteration: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    test_loss: float
    test_accuracy: float


@torch.inference_mode()
def evaluate(logits: Callable[[Tensor], Tensor], split: Examples, device: torch.device) -> list[tuple[float, float]]:
    """(mean cross-entropy, accuracy in [0, 1]) of each row, in large batches; read from the device once, at the end.

    Args:
        logits: (batch, …) -> (rows, batch, classes).
    """
    totals: list[Tensor] = []
    for x, y in split.batches(_BATCH):
        scores = logits(x.to(device)).float()
        targets = y.to(device).expand(len(scores), -1)
        loss = F.cross_entropy(scores.transpose(1, 2), targets, reduction="none").sum(1)
        totals.append(torch.stack([loss, (scores.argmax(2) == targets).sum(1)]))
    losses, hits = torch.stack(totals).double().sum(0).div(len(split)).tolist()
    return list(zip(losses, hits, strict=True))
