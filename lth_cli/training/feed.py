"""Where the batches of a step come from."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lth_cli.core.seeds import generator
from lth_cli.datasets.dataset import Batch, Examples, Split
from lth_cli.datasets.streaming import Streamed
from lth_cli.training.jobs import Job


class Resident:
    """Out of the device's memory, by index: a channels-last image is a row of it, and copied as one.

    Args:
        permuted: (rows, examples) labels in place of the split's, or None.
    """

    def __init__(self, split: Split, permuted: Tensor | None = None) -> None:
        self.images, self.labels, self.permuted = split.images.permute(0, 2, 3, 1), split.labels, permuted

    def load(self, order: Tensor) -> None:
        """All is there already."""

    def __call__(self, index: Tensor) -> Batch:
        images = self.images.index_select(0, index).permute(0, 3, 1, 2)
        if self.permuted is None:
            return images, self.labels.index_select(0, index)
        return images, self.permuted.gather(1, index.view(len(self.permuted), -1)).flatten()


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


def feed(split: Examples, device: torch.device, jobs: Sequence[Job]) -> Feed:
    """Makes the feed of a training split."""
    if isinstance(split, Split):
        rows = [_permuted(split.labels, job.seed) if job.random_labels else split.labels for job in jobs]
        return Resident(split, torch.stack(rows) if any(job.random_labels for job in jobs) else None)
    assert isinstance(split, Streamed)
    assert not any(job.random_labels for job in jobs)
    return Ahead(split, device)


def _permuted(labels: Tensor, seed: int) -> Tensor:
    """The same labels at other examples, in all rounds of a seed the same."""
    return labels[torch.randperm(len(labels), generator=generator(seed, "labels")).to(labels.device)]
