"""One run: config -> build -> run_imp -> run directory, with what the terminal shows meanwhile."""

import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from lth_cli.command.resume import check_config, check_rounds
from lth_cli.core import masks
from lth_cli.core.arms import DENSE, WINNING
from lth_cli.core.signals import Signals
from lth_cli.core.state import Mask
from lth_cli.datasets.fingerprint import fingerprint
from lth_cli.lottery.imp import run_imp
from lth_cli.pruners.learner import Learner
from lth_cli.report.progress import Display
from lth_cli.report.table import show, summary
from lth_cli.report.times import times
from lth_cli.results.compare import compare
from lth_cli.rundir.checkpoints import Checkpoints
from lth_cli.rundir.kept import Kept
from lth_cli.rundir.read import read
from lth_cli.rundir.restore import answer_from_disk
from lth_cli.rundir.write import Writer
from lth_cli.setup.build import Experiment, build
from lth_cli.training.jobs import Diverged, Evaluation, Fitted, Hooks, Job, Scope
from lth_cli.training.profile import Profile


def run(
    config: DictConfig,
    path: Path,
    source: Mapping[str, Any],
    console: Console,
    prefix: str,
    live: bool,
    kept: Kept | None = None,
) -> None:
    """Run one experiment in `path`, or go on with the one that is there.

    Args:
        config: composed, not yet checked.
        path: the run directory, which exists and is ours.
        source: what the config was made from, for the record: the command, and the choices by config group.
        prefix: of each line that is printed.
        live: whether to show a live display on a terminal, and the summary.
        kept: what is in `path` already.

    Raises:
        ConfigError, Damaged: before any file is written.
        InvariantError, Diverged, OSError, KeyboardInterrupt: after marking the run directory.
    """
    # Moments of pruned networks decay into subnormal numbers, on which CPUs are many times slower. The setting reaches
    # threads that start after it, and `build` computes: so it comes first.
    torch.set_flush_denormal(True)
    experiment = build(config, source["choices"])
    _set_up_torch(config, experiment.device)
    text = OmegaConf.to_yaml(config, resolve=True)
    record = _record(experiment, source)
    if kept is not None:
        check_config(path, text)
        check_rounds(kept, experiment.search.keep, record["data_sha256"])
    writer = Writer(path, text, record, kept)
    done = 0 if kept is None else kept.rounds
    try:
        scope = Profile(experiment.device, path / "profile") if config.profile else nullcontext
        with Display(console, live, prefix, config.rounds, _iterations(experiment, done)) as display:
            for note in _notes(record, experiment, kept):
                writer.note(note)
                display.say(note)
            diverged = _skip(writer, display) if config.on_divergence == "skip" else None
            _rounds(experiment, writer, display, kept, scope, diverged)
        if isinstance(scope, Profile):
            scope.close()
            show(console, times(scope.seconds, len(experiment.search.keep)))
        writer.finish("done")
    except KeyboardInterrupt:
        with suppress(OSError):
            writer.finish("interrupted")
        raise
    except Exception as error:
        with suppress(OSError):  # where the disk is full or gone, the error itself is what counts
            writer.finish("failed", f"{type(error).__name__}: {error}")
        raise
    if live:
        show(console, summary(compare([read(path)])))
        console.print(str(path), highlight=False, markup=False, soft_wrap=True)


def mark_unstarted(path: Path, config: DictConfig, source: Mapping[str, Any], error: BaseException) -> None:
    """Leave a record of a job of a sweep that was wrong, or interrupted, before it did any work."""
    writer = Writer(path, OmegaConf.to_yaml(config), source)
    writer.finish("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", str(error))


def _rounds(
    experiment: Experiment,
    writer: Writer,
    display: Display,
    kept: Kept | None,
    scope: Scope,
    diverged: Callable[[Job, str], None] | None,
) -> None:
    search = experiment.search
    last, done = len(search.keep) - 1, 0 if kept is None else kept.rounds
    signals = Signals.current()
    checkpoints = Checkpoints(writer.path, *experiment.checkpoint_every)
    emptied = _emptied(writer, display)

    def watch(job: Job, iterations: int, evaluation: Evaluation | None) -> None:
        display(job, iterations, evaluation)
        if job.learn is None:
            emptied(job, job.mask)

    train = experiment.fit(Hooks(watch, scope, diverged, checkpoints))

    def fit(jobs: Sequence[Job]) -> list[Fitted]:
        with scope("rest of training"), signals.held():
            fitted = train(jobs)
        for one in fitted:
            emptied(one.job, one.mask)
        if not any(job.arm in (DENSE, WINNING) for job in jobs):
            return fitted  # beside masks that were learned before
        if not any(one.job.arm in (DENSE, WINNING) for one in fitted):
            raise Diverged(f"round {jobs[0].round}: every network that is to be pruned diverged; try a lower train.lr")
        return fitted

    rounds = run_imp(
        seeds=experiment.seeds,
        init=experiment.init,
        layers=list(experiment.layers),
        keep=search.keep,
        prune=search.prune,
        pattern=search.pattern,
        rewind=search.rewind,
        controls=experiment.controls,
        mask0=experiment.mask0,
        fit=fit if kept is None else answer_from_disk(kept, fit),
        iterations=experiment.recipe.iterations,
        rewind_to=search.rewind_to,
    )
    began = time.perf_counter()
    for round in range(last + 1):
        with scope("pruning and checks"):
            fitted = next(rounds)
        with scope("files"):
            if round >= done:
                writer.round(fitted)
            if round >= done or round == last:  # a kill may have come between a round and this
                checkpoints.clear()
            for one in fitted:
                if round == last and one.job.arm == WINNING:
                    writer.ticket(one)
        if round >= done:
            display.round(fitted, time.perf_counter() - began)
        began = time.perf_counter()


def _skip(writer: Writer, display: Display) -> Callable[[Job, str], None]:
    """Record a job that diverged, which the trainer leaves out."""

    def diverged(job: Job, what: str) -> None:
        writer.diverged(job, what)
        display.say(f"skipped: {what}")

    return diverged


def _emptied(writer: Writer, display: Display) -> Callable[[Job, Mask], None]:
    """Says by name, as soon as a ticket is known, when its mask has emptied a layer."""
    checked: set[tuple[int, int]] = set()
    said: set[tuple[int, str]] = set()

    def emptied(job: Job, mask: Mask) -> None:
        if job.arm != WINNING or (job.round, job.seed) in checked:
            return
        checked.add((job.round, job.seed))
        for name in masks.empty_layers(mask):
            if (job.seed, name) not in said:
                said.add((job.seed, name))
                text = f"round {job.round}, seed {job.seed}: pruning emptied the layer {name}; no signal passes it"
                writer.note(text)
                display.say(text)

    return emptied


def _set_up_torch(config: DictConfig, device: torch.device) -> None:
    torch.set_float32_matmul_precision(config.matmul_precision)
    if device.type != "cpu":  # CPU kernels are deterministic as they are, and this costs a second of imports
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = config.matmul_precision != "highest"


def _notes(record: Mapping[str, Any], experiment: Experiment, kept: Kept | None) -> Iterator[str]:
    """What must be said of this run before it works."""
    yield from experiment.search.notes
    for places, count in record["duplicates"].items():
        yield f"data: {count:,} images of {places.replace('_', ' are also in ')}"
    if kept is None or not kept.begun:
        return
    yield from kept.broken
    yield f"going on with round {kept.rounds}"
    for key in ("device", "executor", "threads", "versions"):
        if key in kept.record and kept.record[key] != record[key]:
            yield f"{key} was {kept.record.get(key)} and is {record[key]}: the last bits may differ from here on"


def _iterations(experiment: Experiment, done: int) -> int:
    """Of all jobs from round `done` on; a rewound ticket takes a little less, which only makes the bar end early."""
    rounds = range(done, len(experiment.search.keep))
    learned = isinstance(experiment.search.prune, Learner)  # its controls are not trained
    jobs = sum(1 + (len(experiment.controls(round)) if round and not learned else 0) for round in rounds)
    return jobs * len(experiment.seeds) * experiment.recipe.iterations


def _record(experiment: Experiment, source: Mapping[str, Any]) -> dict[str, Any]:
    digest, duplicates = fingerprint(experiment.data)
    return {
        **source,
        "seeds": experiment.seeds,
        "parameters": experiment.parameters,
        "prunable_weights": sum(layer.size for layer in experiment.layers.values()),
        "layers": {name: {"kind": layer.kind, "weights": layer.size} for name, layer in experiment.layers.items()},
        "keep": experiment.search.keep,
        "iterations": experiment.recipe.iterations,
        "test_examples": len(experiment.data.test),
        "data_sha256": digest,
        "duplicates": duplicates,
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
