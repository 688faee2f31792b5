"""Conv-2, Conv-4 and Conv-6: VGG-like networks of Frankle & Carbin (2019, figure 2)."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from lth_cli.models.lenet import Shape, check_widths, fully_connected


def conv(shape: Shape, classes: int, blocks: Sequence[Sequence[int]], hidden: Sequence[int]) -> nn.Module:
    """Blocks of 3x3 convolutions with ReLU, each closed by 2x2 max pooling, then fully connected layers.

    Args:
        shape: (channels, height, width) of an image.
        classes: outputs.
        blocks: filters per convolution, per block; ``[[64, 64], [128, 128]]`` is Conv-4.
        hidden: widths of the fully connected layers before the output; empty for a linear read-out.

    Raises:
        ValueError: the image is too small for that many poolings.
    """
    if not blocks or not all(blocks):
        raise ValueError("blocks: at least one, each of at least one convolution")
    channels, height, width = shape
    smallest = 2 ** len(blocks)
    if min(height, width) < smallest:
        raise ValueError(f"images of {height}x{width} are too small, at least {smallest}x{smallest} are needed")
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    number = 0
    for b, block in enumerate(blocks, start=1):
        check_widths("blocks", block)
        for filters in block:
            number += 1
            layers[f"conv{number}"] = nn.Conv2d(channels, filters, 3, padding=1)
            layers[f"conv{number}_relu"] = nn.ReLU()
            channels = filters
        layers[f"pool{b}"] = nn.MaxPool2d(2)
        height, width = height // 2, width // 2
    layers["flatten"] = nn.Flatten()
    layers.update(fully_connected(channels * height * width, classes, hidden))
    return nn.Sequential(layers)
