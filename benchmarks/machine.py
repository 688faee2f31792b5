"""What the machine can do, measured on the spot: the floor under any implementation."""

import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def rate(dtype: torch.dtype, device: torch.device, repeats: int = 5) -> float:
    """FLOPs per second: the better of a large matrix product and a large channels-last convolution."""
    side = 2048 if device.type == "cpu" else 8192
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    x = torch.randn(64, 128, 32, 32, device=device).to(dtype).to(memory_format=torch.channels_last)
    w = torch.randn(128, 128, 3, 3, device=device).to(dtype).to(memory_format=torch.channels_last)
    product = 2 * side**3 / _seconds(lambda: a @ b, device, repeats)
    convolution = 2 * 64 * 128 * 128 * 9 * 32 * 32 / _seconds(lambda: F.conv2d(x, w, padding=1), device, repeats)
    return max(product, convolution)


def copy_rate(device: torch.device, repeats: int = 5) -> float:
    """Bytes read and written per second by a large copy."""
    a, b = torch.empty(2**26, device=device), torch.empty(2**26, device=device)
    return 2 * a.numel() * 4 / _seconds(lambda: b.copy_(a), device, repeats)


def step_floors(
    model: nn.Module, x: Tensor, y: Tensor, flops_per_second: float, bytes_per_second: float
) -> tuple[float, float]:
    """Seconds that no step can beat: its FLOPs over the rate, and the optimizer's traffic over the copy rate.

    Adam reads gradient, weight and two moments and writes the latter three: seven passes over the parameters.
    """
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(model(x), y).backward()
    traffic = 7 * sum(p.numel() * p.element_size() for p in model.parameters())
    return counter.get_total_flops() / flops_per_second, traffic / bytes_per_second


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def _seconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        wait(device)
        began = time.perf_counter()
        call()
        wait(device)
        times.append(time.perf_counter() - began)
    return median(times[1:])
