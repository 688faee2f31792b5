"""Executors: which of a round's jobs train together. All give the same results within floating-point tolerance."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import safetensors.torch
import torch

from lth_cli.core.signals import Signals
from lth_cli.core.state import Params, State
from lth_cli.training.jobs import Diverged, Evaluation, Fitted, Hooks, Job
from lth_cli.training.trainer import Trainer

Executor = Callable[[Trainer, Sequence[Job]], list[Fitted]]


def serial(trainer: Trainer, jobs: Sequence[Job]) -> list[Fitted]:
    """One job after the other, each with all threads."""
    return [fitted for job in jobs for fitted in trainer.train([job])]


def stacked(trainer: Trainer, jobs: Sequence[Job]) -> list[Fitted]:
    """All jobs that start at the same position at once, along a leading axis."""
    stacks: dict[tuple[object, ...], list[int]] = {}
    for i, job in enumerate(jobs):
        start = job.start
        alike = (start.schedule, start.order, start.iterations, job.save_at, repr(job.learn))
        stacks.setdefault(alike, []).append(i)
    fitted = [one for members in stacks.values() for one in trainer.train([jobs[i] for i in members])]
    return sorted(fitted, key=lambda one: [job is one.job for job in jobs].index(True))


def processes(trainer: Trainer, jobs: Sequence[Job], workers: int) -> list[Fitted]:
    """Each job in a process with one thread, `workers` at a time: small networks gain little from a second thread.

    A job that would be left to train alone trains here, with all threads.
    """
    alone = len(jobs) % workers == 1
    together = jobs[:-1] if alone else jobs
    return _fork_each(trainer, together, workers) + serial(trainer, jobs[len(together) :])


@dataclass(frozen=True)
class Networks:
    """What the choice of an executor depends on.

    Args:
        convolutional: whether there are convolutions.
        does_not_stack: says why not, where it does not; a second of imports, so it is called only where it counts.
        streamed: whether training examples come from worker processes.
    """

    convolutional: bool
    does_not_stack: Callable[[], str | None]
    streamed: bool


def choose(name: str, device: torch.device, workers: int, networks: Networks) -> tuple[str, Executor]:
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
        "stacked": networks.does_not_stack,
        "processes": lambda: _cannot_fork(device, networks.streamed),
    }
    if name == "auto":
        better = "processes" if device.type == "cpu" and workers > 1 else "serial"
        if device.type == "cuda" and not networks.convolutional:
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


def _fork_each(trainer: Trainer, jobs: Sequence[Job], workers: int) -> list[Fitted]:
    waiting = list(range(len(jobs)))
    running: dict[Connection, _Worker] = {}
    fitted: dict[int, Fitted] = {}
    checkpoints = trainer.hooks.checkpoints
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                worker = _Worker(trainer, waiting[0], jobs[waiting.pop(0)])
                running[worker.connection] = worker
            ready = multiprocessing.connection.wait(list(running), timeout=0.2)
            if checkpoints is not None and checkpoints.asked_to_stop():
                for worker in running.values():
                    worker.process.terminate()
                for worker in running.values():
                    worker.drain()
                raise KeyboardInterrupt
            for connection in ready:
                assert isinstance(connection, Connection)
                worker = running[connection]
                one = worker.receive(trainer.hooks)
                if one is not None:
                    fitted[worker.index] = one
                if worker.ended:
                    running.pop(connection).close()
    finally:
        for worker in running.values():
            worker.close()
    return [fitted[i] for i in sorted(fitted)]


class _Worker:
    """A forked process that trains one job. It shares our memory as it was, so only results travel."""

    def __init__(self, trainer: Trainer, index: int, job: Job) -> None:
        self.index, self.job, self.ended = index, job, False
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=_work, args=(trainer, job, theirs, os.getpid()), daemon=True)
        self.process.start()
        theirs.close()

    def receive(self, hooks: Hooks) -> Fitted | None:
        """Take one message: progress, which is passed on, an error, which is raised, or the result."""
        try:
            message = self.connection.recv()
            if isinstance(message, _Result):
                self.ended = True
                return message.fitted(self.job, safetensors.torch.load(self.connection.recv_bytes()))
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            reason = "signal 9; out of memory?" if code == -signal.SIGKILL else f"exit code {code}"
            raise RuntimeError(f"{self.job}: its worker process ended early, {reason}") from None
        if isinstance(message, Diverged) and hooks.diverged is not None:
            self.ended = True
            hooks.diverged(self.job, str(message))
        elif isinstance(message, Exception):
            raise message
        else:
            hooks.watch(self.job, *message)
        return None

    def drain(self) -> None:
        """Wait for the end of a process that was asked to keep what it has; a full pipe would hold it up."""
        with suppress(EOFError, OSError):
            while True:
                self.connection.recv_bytes()

    def close(self) -> None:
        """End the process, if it has not ended by itself."""
        self.process.kill()
        self.process.join()
        self.connection.close()


@dataclass(frozen=True)
class _Result:
    """What is fitted but for the tensors, which follow as safetensors bytes."""

    curve: list[Evaluation]
    seconds: float
    examples: int

    def fitted(self, job: Job, tensors: Params) -> Fitted:
        def state(name: str) -> State:
            params, buffers = _prefixes(name)
            start = job.start.state
            return State(
                {k: tensors[params + k] for k in start.params}, {k: tensors[buffers + k] for k in start.buffers}
            )

        saved = state("saved") if job.save_at is not None else None
        learned = {name: tensors[f"learned/{name}"] for name in job.mask} if job.learn is not None else None
        return Fitted(job, state("end"), saved, self.curve, self.seconds, self.examples, learned)


def _work(trainer: Trainer, job: Job, connection: Connection, parent: int) -> None:
    Signals.current().in_worker(parent)
    torch.set_num_threads(1)

    def watch(job: Job, done: int, evaluation: Evaluation | None) -> None:
        connection.send((done, evaluation))

    try:
        (fitted,) = replace(trainer, hooks=replace(trainer.hooks, watch=watch, diverged=None)).train([job])
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        connection.send(error)
        return
    tensors = {f"learned/{name}": m for name, m in (fitted.learned or {}).items()}
    for name, state in (("end", fitted.state), ("saved", fitted.saved)):
        if state is not None:
            for prefix, values in zip(_prefixes(name), (state.params, state.buffers), strict=True):
                tensors.update({prefix + key: t for key, t in values.items()})
    connection.send(_Result(fitted.curve, fitted.seconds, fitted.examples))
    connection.send_bytes(safetensors.torch.save(tensors))


def _prefixes(state: str) -> tuple[str, str]:
    return f"{state}/params/", f"{state}/buffers/"
