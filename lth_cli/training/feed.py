"""Where the batches of a step come from."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lth_cli.datasets.dataset import Batch, Examples, Split
from lth_cli.datasets.streaming import Streamed


class Resident:
    """Out of the device's memory, by index: a channels-last image is a row of it, and copied as one."""

    def __init__(self, split: Split) -> None:
        self.images, self.labels = split.images.permute(0, 2, 3, 1), split.labels

    def load(self, order: Tensor) -> None:
        """All is there already."""

    def __call__(self, index: Tensor) -> Batch:
        return self.images.index_select(0, index).permute(0, 3, 1, 2), self.labels.index_select(0, index)


class Ahead:
    """Read ahead by worker processes, in the order that was loaded."""

    def __init__(self, split: Streamed, device: torch.device) -> None:
        self.split, self.device = split, device
        self._batches: Iterator[Batch] = iter(())

    def load(self, order: Tensor) -> None:
        """Begin to read the batches of `order` (batches, batch)."""
        self._batches = self.split.feed(order, self.device)

    def __call__(self, index: Tensor) -> Batch:
        return next(self._batches)


Feed = Resident | Ahead


def feed(split: Examples, device: torch.device) -> Feed:
    """Makes the feed of a training split."""
    if isinstance(split, Split):
        return Resident(split)
    assert isinstance(split, Streamed)
    return Ahead(split, device)
