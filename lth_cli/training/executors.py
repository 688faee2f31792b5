"""Executors: which of a round's jobs train together. All give the same results within floating-point tolerance."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from lth_cli.training.jobs import Fitted, Job
from lth_cli.training.trainer import Trainer
from lth_cli.training.workers import fork_each

Executor = Callable[[Trainer, Sequence[Job]], list[Fitted | None]]
"""Trains jobs; answers in their order, with None for one that diverged."""


def serial(trainer: Trainer, jobs: Sequence[Job]) -> list[Fitted | None]:
    """One job after the other, each with all threads."""
    return [fitted for job in jobs for fitted in trainer.train([job])]


def stacked(trainer: Trainer, jobs: Sequence[Job]) -> list[Fitted | None]:
    """All jobs that start at the same position at once, along a leading axis."""
    stacks: dict[tuple[object, ...], list[int]] = {}
    for i, job in enumerate(jobs):
        start = job.start
        place = start.schedule, start.order, start.iterations, start.lr, bool(start.state.moments)
        alike = (*place, job.save_at, repr(job.learner), str(job.keep))
        stacks.setdefault(alike, []).append(i)
    fitted: list[Fitted | None] = [None] * len(jobs)
    for members in stacks.values():
        for i, one in zip(members, trainer.train([jobs[i] for i in members]), strict=True):
            fitted[i] = one
    return fitted


def processes(trainer: Trainer, jobs: Sequence[Job], workers: int) -> list[Fitted | None]:
    """Each job in a process with one thread, `workers` at a time: small networks gain little from a second thread.

    A job that would be left to train alone trains here, with all threads.
    """
    alone = len(jobs) % workers == 1
    together = jobs[:-1] if alone else jobs
    return fork_each(trainer, together, workers) + serial(trainer, jobs[len(together) :])


@dataclass(frozen=True)
class Traits:
    """What the choice of an executor depends on, of the network and its data.

    Args:
        convolutional: whether there are convolutions.
        does_not_stack: says why not, where it does not; a second of imports, so it is called only where it counts.
        streamed: whether training examples come from worker processes.
    """

    convolutional: bool
    does_not_stack: Callable[[], str | None]
    streamed: bool


def choose(name: str, device: torch.device, workers: int, traits: Traits) -> tuple[str, Executor]:
    """The executor called `name`, or for auto the fastest, with its name.

    On a CPU of several cores, processes of one thread each beat the other two (docs/performance.md). On a GPU, small
    matrix products are launched together, while convolutions fill it one network at a time.

    Args:
        workers: processes at a time.

    Raises:
        ValueError: it cannot be had; the text says why.
    """
    cannot: dict[str, Callable[[], str | None]] = {
        "serial": lambda: None,
        "stacked": traits.does_not_stack,
        "processes": lambda: _cannot_fork(device, traits.streamed),
    }
    if name == "auto":
        better = "processes" if device.type == "cpu" and workers > 1 else "serial"
        if device.type == "cuda" and not traits.convolutional:
            better = "stacked"
        name = better if cannot[better]() is None else "serial"
    reason = cannot[name]()
    if reason is not None:
        raise ValueError(reason)
    executors: dict[str, Executor] = {
        "serial": serial,
        "stacked": stacked,
        "processes": partial(processes, workers=workers),
    }
    return name, executors[name]


def _cannot_fork(device: torch.device, streamed: bool) -> str | None:
    if sys.platform != "linux" or device.type != "cpu":
        return "worker processes need Linux and device=cpu"
    if torch.accelerator.is_available():  # once it is set up, a forked process can no longer compute gradients
        return "worker processes need a machine without a GPU, or CUDA_VISIBLE_DEVICES= to hide it"
    return "a data set that is streamed has worker processes of its own" if streamed else None
