"""What the machine can do, measured on the spot: the floor under any implementation."""

import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def rate(dtype: torch.dtype, repeats: int = 5) -> float:
    """FLOPs per second: the better of a large matrix product and a large channels-last convolution."""
    a, b = (torch.randn(2048, 2048).to(dtype) for _ in range(2))
    x = torch.randn(64, 128, 32, 32).to(dtype).to(memory_format=torch.channels_last)
    w = torch.randn(128, 128, 3, 3).to(dtype).to(memory_format=torch.channels_last)
    product = 2 * 2048**3 / _seconds(lambda: a @ b, repeats)
    convolution = 2 * 64 * 128 * 128 * 9 * 32 * 32 / _seconds(lambda: F.conv2d(x, w, padding=1), repeats)
    return max(product, convolution)


def copy_rate(repeats: int = 5) -> float:
    """Bytes read and written per second by a large copy."""
    a, b = torch.empty(2**26), torch.empty(2**26)
    return 2 * a.numel() * 4 / _seconds(lambda: b.copy_(a), repeats)


def step_floor(model: nn.Module, x: Tensor, y: Tensor, flops_per_second: float, bytes_per_second: float) -> float:
    """Seconds that no step can beat: its FLOPs over the rate, or the optimizer's traffic over the copy rate.

    Adam reads gradient, weight and two moments and writes the latter three: seven passes over the parameters.
    """
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(x), y).backward()
    traffic = 7 * sum(p.numel() * p.element_size() for p in model.parameters())
    return max(counter.get_total_flops() / flops_per_second, traffic / bytes_per_second)


def _seconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return median(times[1:])
