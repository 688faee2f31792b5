"""The order of training examples: a function of (seed, round, iteration), so that any arm can start anywhere."""

import torch
from torch import Tensor

from lth_cli.seeds import generator


class Order:
    """Batches of example indices by iteration; each epoch is a fresh permutation of all examples.

    Args:
        seed, round: which order; all arms of a round share it, rounds differ.
        examples: how many there are.
        batch_size: the last incomplete batch of an epoch is dropped.
        device: where the indices are used.
    """

    def __init__(self, seed: int, round: int, examples: int, batch_size: int, device: torch.device) -> None:
        self.seed, self.round, self.examples, self.batch_size, self.device = seed, round, examples, batch_size, device
        self.per_epoch = examples // batch_size
        self._epoch = -1

    def batch(self, iteration: int) -> Tensor:
        """(batch_size,) int64 indices of the batch at `iteration`, counted from 0."""
        epoch, position = divmod(iteration, self.per_epoch)
        if epoch != self._epoch:
            stream = generator(self.seed, "order", self.round, epoch)
            self._permutation = torch.randperm(self.examples, generator=stream).to(self.device)
            self._epoch = epoch
        return self._permutation[position * self.batch_size : (position + 1) * self.batch_size]
