"""One run: config -> build -> run_imp -> run directory, with what the terminal shows meanwhile."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from lth_cli.command.pictured import pictured
from lth_cli.command.record import notes, record_of
from lth_cli.command.resume import check_config, check_rounds
from lth_cli.core import masks
from lth_cli.core.arms import DENSE, WINNING
from lth_cli.core.signals import Signals
from lth_cli.core.state import Mask
from lth_cli.core.streams import described
from lth_cli.lottery.imp import run_imp
from lth_cli.report.headlines import of_run
from lth_cli.report.progress import Display
from lth_cli.report.sweep import Place
from lth_cli.report.table import show, summary
from lth_cli.report.terminal import meanwhile
from lth_cli.report.times import times
from lth_cli.results.compare import compare
from lth_cli.rundir.checkpoints import Checkpoints
from lth_cli.rundir.intact import Intact
from lth_cli.rundir.pictures import clear
from lth_cli.rundir.read import read
from lth_cli.rundir.restore import answer_from_disk, with_moments
from lth_cli.rundir.write import Writer
from lth_cli.setup.build import Experiment, build
from lth_cli.training.convergence import Curves, curves, unconverged
from lth_cli.training.curves import Diverged
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.hooks import Hooks, Scope
from lth_cli.training.jobs import Fit, Fitted, Job
from lth_cli.training.profile import Profile


def run(
    config: DictConfig,
    path: Path,
    source: Mapping[str, Any],
    console: Console,
    place: Place | None,
    live: bool,
    intact: Intact | None = None,
) -> None:
    """Run one experiment in `path`, or go on with the one that is there.

    Args:
        config: composed, not yet checked.
        path: the run directory, which exists and is ours.
        source: what the config was made from, for the record: the command, and the choices by config group.
        place: in a sweep; None for a run by itself, which ends with its table.
        live: whether this process may show a live display on a terminal.
        intact: what is in `path` already.

    Raises:
        ConfigError, Damaged: before any file is written.
        InvariantError, Diverged, OSError, KeyboardInterrupt: after marking the run directory.
    """
    # Moments of pruned networks decay into subnormal numbers, on which CPUs are many times slower. The setting reaches
    # threads that start after it, and `build` computes: so it comes first.
    torch.set_flush_denormal(True)
    with meanwhile("reading the data", live):
        experiment = build(config, source["choices"])
    _set_up_torch(config, experiment.device)
    text = OmegaConf.to_yaml(config, resolve=True)
    record = record_of(config, experiment, source)
    if intact is not None:
        if experiment.way.trains:
            intact = with_moments(intact, experiment.way.moments, experiment.recipe)
        check_config(path, text)
        check_rounds(intact, experiment.way.search.keep, record["data_sha256"])
    writer = Writer(path, text, record, intact)
    if intact is not None:
        clear(path)
    done = 0 if intact is None else intact.rounds
    with _marked(writer):
        scope = Profile(experiment.device, path) if config.profile else nullcontext
        with Display(console, live, place, config.rounds, _iterations(experiment, done)) as display:
            for note in notes(record, experiment, intact):
                writer.note(note)
                display.say(note)
            diverged = _skip(writer, display) if config.on_divergence == "skip" else None
            _rounds(experiment, writer, display, intact, scope, diverged)
        if isinstance(scope, Profile):
            scope.close()
            show(console, times(scope.seconds, len(experiment.way.search.keep)))
    if place is None:
        finished = read(path)
        show(console, summary(compare([finished])), *of_run(finished), str(path), *pictured(finished))


@contextmanager
def _marked(writer: Writer) -> Iterator[None]:
    """Say in the run directory how what is done within has ended."""
    try:
        with Signals().in_order():
            yield
            writer.finish("done")
    except KeyboardInterrupt:
        with suppress(OSError):
            writer.finish("interrupted")
        raise
    except Exception as error:
        with suppress(OSError):  # where the disk is full or gone, the error itself is what counts
            writer.finish("failed", f"{type(error).__name__}: {described(error)}")
        raise


def _rounds(
    experiment: Experiment,
    writer: Writer,
    display: Display,
    intact: Intact | None,
    scope: Scope,
    diverged: Callable[[Job, str], None] | None,
) -> None:
    """Run the algorithm, and write and show each round that is not on disk yet."""
    search = experiment.way.search
    last, done = len(search.keep) - 1, 0 if intact is None else intact.rounds
    checkpoints = Checkpoints(writer.path, *experiment.checkpoint_every)
    fit = _fit(experiment, checkpoints, scope, diverged, display, _emptied(writer, display))
    rounds = run_imp(
        seeds=experiment.seeds,
        init=experiment.init,
        layers=list(experiment.layers),
        search=search,
        controls=experiment.controls,
        pruned_to=experiment.pruned_to,
        fit=fit if intact is None else answer_from_disk(intact, fit),
        iterations=experiment.recipe.iterations,
    )
    ends = list[Curves]()
    began = time.perf_counter()
    for round in range(last + 1):
        with scope("pruning and checks"):
            fitted = next(rounds)
        with scope("files"):
            if round >= done:
                writer.round(fitted)
            elif round == 0:
                writer.dense(fitted)
            if round >= done or round == last:  # a kill may have come between a round and this
                checkpoints.clear()
            for one in fitted:
                if round == last and one.job.arm == WINNING:
                    writer.ticket(one)
        if round >= done:
            display.round(fitted, time.perf_counter() - began)
        if round in (0, last):
            ends.append(curves(fitted))
        began = time.perf_counter()
    for line in unconverged(ends):
        display.say(line)


def _fit(
    experiment: Experiment,
    checkpoints: Checkpoints,
    scope: Scope,
    diverged: Callable[[Job, str], None] | None,
    display: Display,
    emptied: Callable[[Job, Mask], None],
) -> Fit:
    """What trains jobs, with a signal held back until they are kept.

    Raises:
        Diverged: of all the networks that are to be pruned, none is left.
    """
    signals = Signals.current()

    def watch(job: Job, iterations: int, evaluation: Evaluation | None) -> None:
        display(job, iterations, evaluation)
        if job.learner is None:
            emptied(job, job.mask)

    train = experiment.fit(Hooks(watch, scope, diverged, checkpoints, signals))

    def fit(jobs: Sequence[Job]) -> list[Fitted | None]:
        with scope("rest of training"), signals.held():
            fitted = train(jobs)
        for one in fitted:
            if one is not None:
                emptied(one.job, one.mask)
        tickets = [one for one, job in zip(fitted, jobs, strict=True) if job.arm in (DENSE, WINNING)]
        if tickets and not any(tickets):
            raise Diverged(f"round {jobs[0].round}: every network that is to be pruned diverged; try a lower train.lr")
        return fitted

    return fit


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


def _iterations(experiment: Experiment, done: int) -> int:
    """Of all jobs from round `done` on; a rewound ticket takes a little less, which only makes the bar end early."""
    rounds = range(done, len(experiment.way.search.keep))
    trains = experiment.way.trains  # beside a learned mask, controls are not trained
    again = experiment.way.search.retrain is not None
    jobs = sum(1 + (again + len(experiment.controls(round)) if round and trains else 0) for round in rounds)
    return jobs * len(experiment.seeds) * experiment.recipe.iterations
