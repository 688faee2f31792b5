"""A data set: three splits of images and labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from lth_cli.core.seeds import generator

Shape = tuple[int, int, int]
Batch = tuple[Tensor, Tensor]


class Examples(Protocol):
    """A split, in memory or streamed."""

    def __len__(self) -> int: ...

    @property
    def shape(self) -> Shape:
        """(channels, height, width) of an image."""

    def take(self, index: Tensor) -> "Split":
        """The examples at `index`, in its order."""

    def batches(self, size: int) -> Iterator[Batch]:
        """All examples in order."""


@dataclass(frozen=True)
class Split:
    """In memory: images (n, channels, height, width), float32, normalised; labels (n,), int64, 0 … classes - 1."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> Shape:
        return shape_of(self.images[0])

    def take(self, index: Tensor) -> "Split":
        return Split(self.images[index], self.labels[index])

    def batches(self, size: int) -> Iterator[Batch]:
        return zip(torch.split(self.images, size), torch.split(self.labels, size), strict=True)


@dataclass(frozen=True)
class Dataset:
    """Train, val and test are disjoint; val is split off train; nothing is ever selected on test."""

    train: Examples
    val: Examples
    test: Examples
    classes: int

    @property
    def shape(self) -> Shape:
        """(channels, height, width) of an image."""
        return self.train.shape


def shape_of(image: Tensor) -> Shape:
    """(channels, height, width)."""
    channels, height, width = image.shape
    return channels, height, width


class DataNotFound(Exception):
    """The data is neither on disk nor could it be downloaded. The text says what was looked for, where, what else."""


def validate(data: Dataset) -> None:
    """What every data set must be, whoever made it; of a split that is streamed, only that it is not empty.

    Raises:
        ValueError: naming the split, the example and what is wrong.
    """
    for name, split in (("train", data.train), ("val", data.val), ("test", data.test)):
        if not isinstance(split, Split):
            if len(split) == 0:
                raise ValueError(f"{name}: no images")
            continue
        if split.images.ndim != 4 or len(split.images) != len(split.labels) or len(split) == 0:
            raise ValueError(f"{name}: images {tuple(split.images.shape)} and labels {tuple(split.labels.shape)}")
        if split.shape != data.shape:
            raise ValueError(f"{name}: images of {split.shape}, those of train are {data.shape}")
        finite = split.images.flatten(1).isfinite()
        if not bool(finite.all()):
            example, pixel = (~finite).nonzero()[0].tolist()
            value = split.images[example].flatten()[pixel].item()
            raise ValueError(f"{name}: pixel {pixel} of image {example} is {value}")
        wrong = ((split.labels < 0) | (split.labels >= data.classes)).nonzero().flatten()
        if len(wrong):
            label = split.labels[wrong[0]].item()
            raise ValueError(f"{name}: label {label} of image {wrong[0]} is not one of 0 to {data.classes - 1}")
    if isinstance(data.train, Split) and bool((data.train.labels == data.train.labels[0]).all()):
        raise ValueError(f"train: all images have the label {data.train.labels[0]}")


def split_off(whole: Split, sizes: dict[str, int], name: str) -> list[Split]:
    """Split by a fixed stream, the same for every seed: first what is left over, then one split per size."""
    return [whole.take(index) for index in split_indices(len(whole), sizes, name)]


def split_indices(total: int, sizes: dict[str, int], name: str) -> tuple[Tensor, ...]:
    """Which of `total` examples go where; see `split_off`.

    Raises:
        ValueError: a size is not positive, or nothing is left over.
    """
    for key, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{key}={size}: at least 1 example")
    left = total - sum(sizes.values())
    if left < 1:
        raise ValueError(f"{' + '.join(f'{k}={v}' for k, v in sizes.items())} leave no training examples of {total:,}")
    order = torch.randperm(total, generator=generator(0, f"split/{name}"))
    return torch.split(order, [left, *sizes.values()])


def normalised(train: Split, val: Split, test: Split, classes: int) -> Dataset:
    """Shift and scale each channel to mean 0 and deviation 1 over the training split, whose statistics all share."""
    mean = train.images.mean(dim=(0, 2, 3), keepdim=True)
    deviation = train.images.std(dim=(0, 2, 3), keepdim=True).clamp_min(1e-6)

    def scale(split: Split) -> Split:
        return Split((split.images - mean) / deviation, split.labels)

    return Dataset(scale(train), scale(val), scale(test), classes)
