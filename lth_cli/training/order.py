"""The order of training examples: a function of (seed, round, epoch), so that any arm can start anywhere."""

import torch
from torch import Tensor

from lth_cli.core.seeds import generator


def epoch_order(seed: int, round: int, epoch: int, examples: int, batch_size: int, device: torch.device) -> Tensor:
    """(batches, batch_size) indices: a permutation of all examples, drawn on the device.

    All arms of a round share it; rounds, unless all are given the same, and epochs differ. The last incomplete batch is
    dropped.
    """
    stream = generator(seed, "order", round, epoch, device=device)
    permutation = torch.randperm(examples, generator=stream, device=device)
    batches = examples // batch_size
    return permutation[: batches * batch_size].view(batches, batch_size)
