"""What a forward pass takes on the weights of linear and convolutional layers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from lth_cli.core.calls import Calls

_ON_WEIGHTS: tuple[Callable[..., Any], ...] = (F.linear, torch.conv1d, torch.conv2d, torch.conv3d)


class Flops(Calls):
    """While active, multiplications and additions are counted, whether or not a weight is pruned; biases are left out.

    Args:
        count: of all calls so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def call(self, function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        made = function(*arguments, **named)
        if function in _ON_WEIGHTS:
            weight = named["weight"] if "weight" in named else arguments[1]
            self.count += 2 * weight.numel() * (made.numel() // len(weight))
        return made
