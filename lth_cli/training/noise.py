"""Random draws as a function of (seed, round, iteration): the same whether a network trains alone or in a stack, from
its start or from a checkpoint, on a CPU or a GPU."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_cli.core.calls import Calls

_BITS = 32
_LOW = (1 << _BITS) - 1


class Noise(Calls):
    """While active, `torch.nn.functional.dropout` draws from `key` and from how many drew before it.

    Args:
        key: () int64, another for every seed, round and iteration.
    """

    def __init__(self, key: Tensor) -> None:
        super().__init__()
        self.key, self.drawn = key, 0

    def call(self, function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        if function is not F.dropout:
            return function(*arguments, **named)
        return self._dropout(*arguments, **named)

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return x
        self.drawn += 1
        index = torch.arange(x.numel(), device=x.device).view(x.shape)
        bits = _bits(self.key, index, self.drawn)
        return torch.where(bits >= p * (1 << _BITS), x / (1 - p) if p < 1 else x, 0.0)


def noise_of(module: nn.Module) -> Callable[[Tensor], AbstractContextManager[object]]:
    """key -> `Noise` for a network with dropout layers; for others, whose calls it would slow down, nothing."""
    return Noise if any(isinstance(layer, nn.Dropout) for layer in module.modules()) else nullcontext


def uniform(keys: Tensor, number: int, size: int) -> Tensor:
    """(rows, size) float32 in [0, 1), another for every key and number; nothing that `Noise` draws.

    Args:
        keys: (rows,) int64.
        number: from 0; of the layer that is drawn for.
    """
    index = torch.arange(size, device=keys.device)
    return (_bits(keys.unsqueeze(1), index, (1 << (_BITS - 1)) + number) >> 8) / float(1 << 24)


def _bits(key: Tensor, index: Tensor, number: int) -> Tensor:
    return _mix(_mix(index + _mix(key & _LOW) + (key >> _BITS)) + number)


def _mix(x: Tensor) -> Tensor:
    """A bijection of 32 bits in which every bit of the result depends on all (constants: Ellis's hash prospector)."""
    x = x & _LOW
    x = (x ^ (x >> 16)) * 0x7FEB352D & _LOW
    x = (x ^ (x >> 15)) * 0x846CA68B & _LOW
    return x ^ (x >> 16)
