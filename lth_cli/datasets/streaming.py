"""Data sets that do not fit in memory: examples are read by worker processes, ahead of the step that needs them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lth_cli.datasets.dataset import Batch, Shape, Split, shape_of

_AHEAD = 4


@dataclass(frozen=True)
class Streamed:
    """A split whose examples are read when they are due.

    Args:
        examples: index -> (image (channels, height, width) float32 and normalised, label).
        workers: processes that read; 0 reads in this one.
    """

    examples: Dataset[tuple[Tensor, int]]
    workers: int

    def __len__(self) -> int:
        return len(self.examples)  # type: ignore[arg-type]

    @property
    def shape(self) -> Shape:
        """(channels, height, width) of an image."""
        return shape_of(self.examples[0][0])

    def take(self, index: Tensor) -> Split:
        """The examples at `index`, in its order, in memory."""
        ((images, labels),) = self._read([index.tolist()], torch.device("cpu"))
        return Split(images, labels)

    def batches(self, size: int) -> Iterator[Batch]:
        """All examples in order, on the CPU."""
        return self._read(torch.split(torch.arange(len(self)), size), torch.device("cpu"))

    def feed(self, order: Tensor, device: torch.device) -> Iterator[Batch]:
        """The batches of `order` (batches, batch) on the device, each sent while the one before it is used."""
        return self._read(order, device)

    def _read(self, indices: Sequence[Any] | Tensor, device: torch.device) -> Iterator[Batch]:
        loader = DataLoader(
            self.examples,
            batch_sampler=[list(map(int, batch)) for batch in indices],
            num_workers=self.workers,
            prefetch_factor=_AHEAD if self.workers else None,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # else it would draw from the global one
        )
        due: Batch | None = None
        for images, labels in loader:
            sent = (
                images.to(device, non_blocking=True, memory_format=torch.channels_last),
                labels.to(device, non_blocking=True),
            )
            if due is not None:
                yield due
            due = sent
        if due is not None:
            yield due
