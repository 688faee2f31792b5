"""``make bench``: our trainer against a plain script and against the machine, interleaved, medians over repeats."""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

import benchmarks.machine as machine
from benchmarks.plain import PlainScript, write_mnist
from benchmarks.workloads import Workload, images, ours, workloads
from lth_cli.core.counts import Counts
from lth_cli.core.seeds import generator
from lth_cli.core.select import select


@dataclass(frozen=True)
class Result:
    """Rates are iterations per second, summed over rows; medians.

    Args:
        plain: of the plain script, one row.
        flops_floor, bytes_floor: seconds of a step's FLOPs and of its optimizer's traffic at the machine's rates.
        peak: resident memory of our trainer's largest process, in bytes.
    """

    name: str
    ours: float
    plain: float | None
    flops_floor: float
    bytes_floor: float
    peak: int

    @property
    def over_plain(self) -> float | None:
        return None if self.plain is None else self.ours / self.plain

    @property
    def of_machine(self) -> float:
        return self.ours * max(self.flops_floor, self.bytes_floor)


def measure(workload: Workload, device: torch.device, repeats: int, rates: dict[str, float], copying: float) -> Result:
    """Interleave ours and the plain script; one row of the plain script stands for every row count."""
    with tempfile.TemporaryDirectory() as folder:
        plain = None
        if workload.channels == 1:
            x, y = images(workload.side, 1)
            write_mnist(Path(folder), (x[:4000, 0], y[:4000]), (x[4000:, 0], y[4000:]))
            iterations = min(workload.iterations, 4000 // workload.batch_size * 5)
            plain = PlainScript(Path(folder), workload.build, workload.batch_size, iterations, device)
        mine = ours(workload, device)
        mine()  # caches, thread pools and imports
        pairs = [(mine(), plain() if plain is not None else None) for _ in range(repeats)]
    x = torch.randn(workload.batch_size, *workload.shape)
    y = torch.zeros(workload.batch_size, dtype=torch.long)
    flops, traffic = machine.step_floors(workload.build(), x, y, rates[workload.precision], copying)
    plains = [theirs for _, theirs in pairs if theirs is not None]
    name, middle = workload.name, median(mine for mine, _ in pairs)
    return Result(name, middle, median(plains) if plains else None, flops, traffic, peak_memory(workload.name))


def executors(device: torch.device, repeats: int, rows_of: Sequence[int], console: Console) -> list[dict[str, Any]]:
    """What `executor=auto` chooses by: each way to train several rows, interleaved."""
    names = ("serial", "stacked") if device.type == "cuda" else ("serial", "stacked", "processes")
    table = Table(box=box.SIMPLE_HEAD, title="executors: iterations per second, summed over rows")
    for title in ("network", "rows", *names):
        table.add_column(title, justify="left" if title == "network" else "right")
    found = []
    for base in workloads(device)[:1] + [one for one in workloads(device) if one.name.startswith("Conv-4")][:1]:
        for rows in rows_of:
            one = replace(base, rows=rows)
            calls = {name: ours(replace(one, executor=name), device) for name in names}
            rates = {name: median(call() for _ in range(repeats)) for name, call in calls.items()}
            table.add_row(base.name.partition(",")[0], str(rows), *(f"{rate:,.0f}" for rate in rates.values()))
            found.append({"name": base.name, "rows": rows, **rates})
    console.print(table)
    return found


def peak_memory(name: str) -> int:
    """Of our trainer on one workload, the largest of its processes, in bytes; nothing else has run in them."""
    command = [sys.executable, "-m", "benchmarks", "--peak", name]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def own_peak() -> int:
    """Of this process, in KiB. Not getrusage's, which begins with that of the process that started this one."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def selection() -> dict[str, float]:
    """Exact k of 100 million scores: seconds, and peak memory beyond the scores in multiples of them."""
    scores = torch.rand(100_000_000, generator=generator(0, "bench"))
    mask = {"w": torch.ones_like(scores, dtype=torch.bool)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began = time.perf_counter()
    kept = select({"w": scores}, mask, Counts(10_000_000))
    seconds = time.perf_counter() - began
    assert int(kept["w"].sum()) == 10_000_000
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "memory over scores": (peak - before) / (scores.numel() * 4)}


def start_up(repeats: int) -> dict[str, float]:
    """Seconds of whole commands, medians."""
    commands = {"lth --help": ["--help"], "lth run --cfg job": ["run", "--cfg", "job"]}
    with tempfile.TemporaryDirectory() as folder:
        short = ["run", "rounds=1", "train.iterations=1it", "controls=[]", f"output={folder}"]
        return {
            name: median(_seconds(arguments) for _ in range(repeats))
            for name, arguments in {**commands, "lth run, one step per round": short}.items()
        }


def demo(quick: bool) -> dict[str, float]:
    """The run of `make demo`: seconds of the whole command, and the share of its rounds outside training.

    If `quick`, the seconds are those of the one run that also says the share.
    """
    command = ["run", "model=conv4", "sparsity=0.9", "rounds=10"]
    with tempfile.TemporaryDirectory() as folder:
        profiled = _seconds([*command, f"output={folder}/profiled", "profile=true"])
        seconds = profiled if quick else _seconds([*command, f"output={folder}/plain"])
        (file,) = Path(folder).glob("profiled/*/*/profile/times.json")
        parts = json.loads(file.read_text())
    outside = parts["pruning and checks"] + parts["files"]
    return {"seconds": seconds, "outside training": outside / sum(parts.values())}


def _seconds(arguments: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "lth_cli", *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def show(results: Sequence[Result], base: dict[str, Any], console: Console) -> None:
    """The table of ratios."""
    table = Table(box=box.SIMPLE_HEAD, title="iterations per second, summed over rows")
    titles = ("workload", "lth", "plain script", "lth / plain", "of the machine", "bound by", "peak GB", "lth / base")
    for title in titles if base else titles[:-1]:
        table.add_column(title, justify="left" if title == "workload" else "right", no_wrap=True)
    for result in results:
        cells = [result.name, f"{result.ours:,.1f}"]
        cells += ["", ""] if result.plain is None else [f"{result.plain:,.1f}", f"{result.over_plain:.1f}x"]
        cells += [f"{result.of_machine:.0%}", "FLOPs" if result.flops_floor > result.bytes_floor else "bytes"]
        cells.append(f"{result.peak / 1e9:.1f}")
        if base:
            cells.append(f"{result.ours / base[result.name]['ours']:.2f}" if result.name in base else "")
        table.add_row(*cells)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there")
    parser.add_argument("--base", type=Path, metavar="FILE", help="compare with the JSON of an earlier run")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="the same table from two repeats, and fewer executors")
    parser.add_argument("--peak", metavar="WORKLOAD", help="only its peak memory, in bytes")
    arguments = parser.parse_args()
    torch.set_flush_denormal(True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    chosen = {workload.name: workload for workload in workloads(device)}
    if arguments.peak:
        ours(chosen[arguments.peak], device)()
        print(max(own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024)
        return
    base = {r["name"]: r for r in json.loads(arguments.base.read_text())["results"]} if arguments.base else {}
    selected = selection()  # first, while the peak of this process's memory is still its own
    repeats, rows = (2, (4,)) if arguments.quick else (arguments.repeats, (2, 3, 4, 16))
    start, demonstration = start_up(repeats), demo(arguments.quick)
    rates = {"fp32": machine.rate(torch.float32, device), "bf16": machine.rate(torch.bfloat16, device)}
    torch.set_float32_matmul_precision("medium")
    rates["medium"] = machine.rate(torch.float32, device)
    torch.set_float32_matmul_precision("highest")
    copying = machine.copy_rate(device)
    console = Console(width=120)
    compared = executors(device, 1 if arguments.quick else repeats, rows, console)
    results = [measure(workload, device, repeats, rates, copying) for workload in chosen.values()]

    show(results, base, console)
    speeds = ", ".join(f"{rate / 1e9:,.0f} GFLOP/s {precision}" for precision, rate in rates.items())
    threads = f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    console.print(f"machine: {device}, {speeds}, {copying / 1e9:.0f} GB/s; {threads}")
    memory = selected["memory over scores"]
    console.print(f"select 10M of 100M: {selected['seconds']:.1f} s, {memory:.1f}x the scores' memory")
    console.print("start: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in start.items()))
    outside = demonstration["outside training"]
    console.print(
        f"demo: {demonstration['seconds']:.1f} s, {outside:.1%} of its rounds outside training and evaluation"
    )
    if arguments.json is not None:
        document = {
            "rates": {**rates, "copy": copying},
            "selection": selected,
            "start": start,
            "demo": demonstration,
            "executors": compared,
            "results": [asdict(result) for result in results],
        }
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
