"""The LeNets of LeCun et al. (1998)."""

from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

Shape = tuple[int, int, int]


def mlp(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    """A multilayer perceptron with ReLU; ``hidden=[300, 100]`` is LeNet-300-100.

    Args:
        shape: (channels, height, width) of an image.
        classes: outputs.
        hidden: widths of the hidden layers.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    width = shape[0] * shape[1] * shape[2]
    layers.update(fully_connected(width, classes, hidden))
    return nn.Sequential(layers)


def fully_connected(width: int, classes: int, hidden: Sequence[int]) -> OrderedDict[str, nn.Module]:
    """fc1, relu, …, output: from `width` inputs to `classes` logits."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    check_widths("hidden", hidden)
    for i, units in enumerate(hidden, start=1):
        layers[f"fc{i}"] = nn.Linear(width, units)
        layers[f"fc{i}_relu"] = nn.ReLU()
        width = units
    layers["output"] = nn.Linear(width, classes)
    return layers


def check_widths(key: str, widths: Sequence[int]) -> None:
    """Raise ValueError unless `widths` are whole numbers from 1."""
    if not isinstance(widths, list | tuple) or not all(type(units) is int and units > 0 for units in widths):
        raise ValueError(f"{key}: a list of whole numbers from 1")


def lenet5(shape: Shape, classes: int) -> nn.Module:
    """LeNet-5 with ReLU and max pooling: 6 and 16 5x5 filters, then 120, 84 and `classes` units.

    The first convolution pads by 2, as 28x28 images are padded to 32x32 in the original.

    Raises:
        ValueError: the image is smaller than 12x12.
    """
    channels, height, width = shape
    after = [(side // 2 - 4) // 2 for side in (height, width)]
    if min(after) < 1:
        raise ValueError(f"images of {height}x{width} are too small, at least 12x12 are needed")
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(channels, 6, 5, padding=2),
            conv1_relu=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 16, 5),
            conv2_relu=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            **fully_connected(16 * after[0] * after[1], classes, [120, 84]),
        )
    )
