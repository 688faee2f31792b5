"""Loss and accuracy over a split."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_cli.datasets.dataset import Split

_BATCH = 1000


@torch.inference_mode()
def evaluate(forward: Callable[[Tensor], Tensor], split: Split) -> tuple[float, float]:
    """(mean cross-entropy, accuracy in [0, 1]) in large batches; read from the device once, at the end."""
    loss = torch.zeros((), device=split.images.device)
    correct = torch.zeros((), device=split.images.device)
    for x, y in zip(torch.split(split.images, _BATCH), torch.split(split.labels, _BATCH), strict=True):
        logits = forward(x).float()
        loss += F.cross_entropy(logits, y, reduction="sum")
        correct += (logits.argmax(dim=1) == y).sum()
    loss_sum, hits = torch.stack([loss, correct]).tolist()
    return loss_sum / len(split), hits / len(split)
