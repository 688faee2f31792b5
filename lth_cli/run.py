"""One run: config -> build -> run_imp -> run directory, with what the terminal shows meanwhile."""

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from lth_cli import masks
from lth_cli.arms import WINNING
from lth_cli.build import Experiment, build
from lth_cli.compare import compare
from lth_cli.imp import run_imp
from lth_cli.profile import Profile
from lth_cli.report.progress import Display
from lth_cli.report.table import show, summary
from lth_cli.report.times import times
from lth_cli.rundir.read import read
from lth_cli.rundir.write import Writer
from lth_cli.training.jobs import Evaluation, Fitted, Job, Watch
from lth_cli.training.step import Scope


def run(config: DictConfig, path: Path, source: Mapping[str, Any], console: Console, prefix: str, live: bool) -> None:
    """Run one experiment in `path`.

    Args:
        config: composed, not yet checked.
        path: the run directory, which exists and is ours.
        source: what the config was made from, for the record: the command, and the choices by config group.
        prefix: of each line that is printed.
        live: whether to show a live display on a terminal, and the summary.

    Raises:
        ConfigError: before any file is written.
        InvariantError, Diverged, OSError, KeyboardInterrupt: after marking the run directory.
    """
    # Moments of pruned networks decay into subnormal numbers, on which CPUs are many times slower. The setting reaches
    # threads that start after it, and `build` computes: so it comes first.
    torch.set_flush_denormal(True)
    experiment = build(config, source["choices"])
    _set_up_torch(config, experiment.device)
    writer = Writer(path, OmegaConf.to_yaml(config, resolve=True), _record(experiment, source))
    try:
        scope = Profile(experiment.device, path / "profile" / "trace.json") if config.profile else nullcontext
        with Display(console, live, prefix, config.rounds, _iterations(experiment)) as display:
            _rounds(experiment, writer, display, scope)
        if isinstance(scope, Profile):
            scope.close()
            console.print(times(scope.seconds, len(experiment.search.keep)))
        writer.finish("done")
    except KeyboardInterrupt:
        writer.finish("interrupted")
        raise
    except Exception as error:
        writer.finish("failed", f"{type(error).__name__}: {error}")
        raise
    if live:
        show(console, summary(compare([read(path)])))
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)


def mark_unstarted(path: Path, config: DictConfig, source: Mapping[str, Any], error: BaseException) -> None:
    """Leave a record of a job of a sweep that was wrong, or interrupted, before it did any work."""
    writer = Writer(path, OmegaConf.to_yaml(config), source)
    writer.finish("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", str(error))


def _rounds(experiment: Experiment, writer: Writer, display: Display, scope: Scope) -> None:
    search = experiment.search
    last = len(search.keep) - 1
    for text in search.notes:
        writer.note(text)
        display.say(text)
    train = experiment.fit(_watch(writer, display), scope)

    def fit(jobs: Sequence[Job]) -> list[Fitted]:
        with scope("rest of training"):
            return train(jobs)

    rounds = run_imp(
        seeds=experiment.seeds,
        init=experiment.init,
        layers=list(experiment.layers),
        keep=search.keep,
        prune=search.prune,
        pattern=search.pattern,
        rewind=search.rewind,
        controls=experiment.controls,
        fit=fit,
        iterations=experiment.recipe.iterations,
        rewind_to=search.rewind_to,
    )
    began = time.perf_counter()
    for _ in search.keep:
        with scope("pruning and checks"):
            fitted = next(rounds)
        with scope("files"):
            writer.round(fitted)
            for one in fitted:
                if one.job.round == last and one.job.arm == WINNING:
                    writer.ticket(one)
        display.round(fitted, time.perf_counter() - began)
        began = time.perf_counter()


def _watch(writer: Writer, display: Display) -> Watch:
    """Pass training progress on to the display, and say at once, by name, when pruning has emptied a layer."""
    checked: set[tuple[int, int]] = set()
    said: set[tuple[int, str]] = set()

    def watch(job: Job, done: int, evaluation: Evaluation | None) -> None:
        display(job, done, evaluation)
        if job.arm != WINNING or (job.round, job.seed) in checked:
            return
        checked.add((job.round, job.seed))
        for name in masks.empty_layers(job.mask):
            if (job.seed, name) not in said:
                said.add((job.seed, name))
                text = f"round {job.round}, seed {job.seed}: pruning emptied the layer {name}; no signal passes it"
                writer.note(text)
                display.say(text)

    return watch


def _set_up_torch(config: DictConfig, device: torch.device) -> None:
    torch.set_float32_matmul_precision(config.matmul_precision)
    if device.type != "cpu":  # CPU kernels are deterministic as they are, and this costs a second of imports
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


def _iterations(experiment: Experiment) -> int:
    """Of all jobs together; a rewound ticket takes a little less, which only makes the bar end early."""
    jobs = 1 + sum(1 + len(experiment.controls(round)) for round in range(1, len(experiment.search.keep)))
    return jobs * len(experiment.seeds) * experiment.recipe.iterations


def _record(experiment: Experiment, source: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **source,
        "seeds": experiment.seeds,
        "parameters": experiment.parameters,
        "prunable_weights": sum(layer.size for layer in experiment.layers.values()),
        "layers": {name: {"kind": layer.kind, "weights": layer.size} for name, layer in experiment.layers.items()},
        "keep": experiment.search.keep,
        "iterations": experiment.recipe.iterations,
        "test_examples": experiment.test_examples,
        "device": _device_name(experiment.device),
        "executor": experiment.executor,
        "threads": torch.get_num_threads(),
        "host": platform.node(),
        "pid": os.getpid(),
        "git": _git(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("lth-cli", "torch", "numpy", "hydra-core", "omegaconf")},
        },
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.processor() or platform.machine()}"


def _git() -> dict[str, Any] | None:
    """Commit and cleanliness of the working directory's repository, if it is one."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
