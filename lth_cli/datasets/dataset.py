"""A data set in memory: three splits of images and labels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lth_cli.seeds import generator


@dataclass(frozen=True)
class Split:
    """Images (n, channels, height, width), float32, normalised; labels (n,), int64, 0 … classes - 1."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> "Split":
        """The examples at `index`, in its order."""
        return Split(self.images[index], self.labels[index])


@dataclass(frozen=True)
class Dataset:
    """Train, val and test are disjoint; val is split off train; nothing is ever selected on test."""

    train: Split
    val: Split
    test: Split
    classes: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width


class DataNotFound(Exception):
    """The data is neither on disk nor could it be downloaded. The text says what was looked for, where, what else."""


def split_off(whole: Split, sizes: dict[str, int], name: str) -> list[Split]:
    """Split by a fixed stream, the same for every seed: first what is left over, then one split per size.

    Raises:
        ValueError: a size is not positive, or nothing is left over.
    """
    for key, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{key}={size}: at least 1 example")
    left = len(whole) - sum(sizes.values())
    if left < 1:
        raise ValueError(
            f"{' + '.join(f'{k}={v}' for k, v in sizes.items())} leave no training examples of {len(whole):,}"
        )
    order = torch.randperm(len(whole), generator=generator(0, f"split/{name}"))
    return [whole.take(index) for index in torch.split(order, [left, *sizes.values()])]


def normalised(train: Split, val: Split, test: Split, classes: int) -> Dataset:
    """Shift and scale each channel to mean 0 and deviation 1 over the training split, whose statistics all share."""
    mean = train.images.mean(dim=(0, 2, 3), keepdim=True)
    deviation = train.images.std(dim=(0, 2, 3), keepdim=True).clamp_min(1e-6)

    def scale(split: Split) -> Split:
        return Split((split.images - mean) / deviation, split.labels)

    return Dataset(scale(train), scale(val), scale(test), classes)
