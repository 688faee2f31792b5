"""Worker processes that train one job each."""

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler

import safetensors.torch
import torch

from lth_cli.core.faults import WorkerEnded
from lth_cli.core.state import Params
from lth_cli.core.tensors import pack, part, under, unpack
from lth_cli.training.curves import Diverged
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.hooks import Hooks
from lth_cli.training.jobs import Fitted, Job
from lth_cli.training.trainer import Trainer


def fork_each(trainer: Trainer, jobs: Sequence[Job], workers: int) -> list[Fitted | None]:
    """Train each job in a process of its own, `workers` at a time; their results in order, None for one that diverged.

    Raises:
        WorkerEnded: a process ended before its job.
        Exception: of the job; one that cannot travel is a RuntimeError with its kind and text.
    """
    waiting = list(range(len(jobs)))
    running: dict[Connection, _Worker] = {}
    fitted: list[Fitted | None] = [None] * len(jobs)
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                worker = _Worker(trainer, waiting[0], jobs[waiting.pop(0)])
                running[worker.connection] = worker
            ready = multiprocessing.connection.wait(list(running), timeout=0.2)
            if trainer.hooks.signals.asked_to_stop():
                for worker in running.values():
                    worker.process.terminate()
                for worker in running.values():
                    worker.drain()
                raise KeyboardInterrupt
            for connection in ready:
                assert isinstance(connection, Connection)
                worker = running[connection]
                fitted[worker.index] = worker.receive(trainer.hooks)
                if worker.ended:
                    running.pop(connection).close()
    finally:
        for worker in running.values():
            worker.close()
    return fitted


class _Worker:
    """A forked process that trains one job. It shares our memory as it was, so only results travel."""

    def __init__(self, trainer: Trainer, index: int, job: Job) -> None:
        self.index, self.job, self.ended = index, job, False
        context = multiprocessing.get_context("fork")
        self.connection, theirs = context.Pipe(duplex=False)
        self.process: BaseProcess = context.Process(target=_work, args=(trainer, job, theirs, os.getpid()), daemon=True)
        try:
            self.process.start()
        except OSError:
            self.connection.close()
            raise
        finally:
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
            raise WorkerEnded(f"{self.job}: its worker process ended early, {_how(self.process.exitcode)}") from None
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
        self.process.close()
        self.connection.close()


def _how(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    return f"signal {-code}{'; out of memory?' if code == -signal.SIGKILL else ''}"


def _portable(error: Exception) -> Exception:
    """An error as it can be sent to another process: not every class of errors can be taken apart and made anew."""
    try:
        whole = str(ForkingPickler.loads(ForkingPickler.dumps(error))) == str(error)
    except Exception:
        whole = False
    return error if whole else RuntimeError(f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class _Result:
    """What is fitted but for the tensors, which follow as safetensors bytes."""

    curve: list[Evaluation]
    seconds: float
    examples: int

    def fitted(self, job: Job, tensors: Params) -> Fitted:
        mask, state = unpack(part(tensors, "end"))
        mask = {name: mask[name] for name in job.mask}  # the order of layers decides ties
        saved = unpack(part(tensors, "saved"))[1] if job.save_at is not None else None
        return Fitted(job, mask, state, saved, self.curve, self.seconds, self.examples)


def _work(trainer: Trainer, job: Job, connection: Connection, parent: int) -> None:
    trainer.hooks.signals.in_worker(parent)
    torch.set_num_threads(1)

    def watch(job: Job, done: int, evaluation: Evaluation | None) -> None:
        connection.send((done, evaluation))

    try:
        (fitted,) = replace(trainer, hooks=replace(trainer.hooks, watch=watch, diverged=None)).train([job])
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGTERM)
    except Exception as error:
        connection.send(_portable(error))
        return
    assert fitted is not None
    tensors = under("end", pack(fitted.mask, fitted.state))
    if fitted.saved is not None:
        tensors |= under("saved", pack({}, fitted.saved))
    connection.send(_Result(fitted.curve, fitted.seconds, fitted.examples))
    connection.send_bytes(safetensors.torch.save(tensors))
