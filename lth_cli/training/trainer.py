"""The training loop, over one job or several that stack; an executor decides which jobs run together."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_cli.datasets.dataset import Dataset, Examples, Split
from lth_cli.rewind import State
from lth_cli.seeds import generator
from lth_cli.training.evaluate import evaluate
from lth_cli.training.feed import Resident, feed
from lth_cli.training.jobs import Evaluation, Fitted, Job, Watch
from lth_cli.training.networks import Build, Network, network
from lth_cli.training.optimizers import Recipe, learning_rate, make_optimizer
from lth_cli.training.order import epoch_order
from lth_cli.training.step import Scope, Step, captured


class Diverged(RuntimeError):
    """A loss is no longer finite."""


@dataclass(frozen=True)
class Trainer:
    """Trains on one device.

    Args:
        build: makes an uninitialised network.
        data: the three splits; those in memory, in that of `device`.
        recipe: how to train.
        eval_every: evaluate at iterations that are a multiple of this, and at the end of training.
        device: where to train.
        bf16: run forward passes in bfloat16, weights staying float32.
        watch: told about progress.
        scope: names what runs in it, for a profile.
    """

    build: Build
    data: Dataset
    recipe: Recipe
    eval_every: int
    device: torch.device
    bf16: bool
    watch: Watch
    scope: Scope = nullcontext

    def train(self, jobs: Sequence[Job]) -> list[Fitted]:
        """Train one job, or several that start at the same position and are equally long, as a stack.

        Raises:
            Diverged: a loss is NaN or infinite.
        """
        # Layers that draw from the global generator get the job's own, and it is put back.
        with torch.random.fork_rng([self.device.index or 0] if self.device.type == "cuda" else []):
            torch.manual_seed(_noise(jobs[0]))
            return self._train(jobs)

    def _train(self, jobs: Sequence[Job]) -> list[Fitted]:
        began = time.perf_counter()
        start, save_at = jobs[0].start, jobs[0].save_at
        rows = network(self.build, jobs, self.device)
        step = self._step(rows, jobs)
        saved: list[State | None] = [rows.state(i) if save_at == 0 else None for i in range(rows.rows)]
        curves: list[list[Evaluation]] = [[] for _ in jobs]
        call: Callable[[], None] | None = None
        per_epoch, since = len(self.data.train) // self.recipe.batch_size, 0
        for done in range(1, start.iterations + 1):
            iteration = start.order + done
            epoch, at = divmod(iteration - 1, per_epoch)
            if done == 1 or at == 0:
                self._load_epoch(step, jobs, epoch, at)
            if call is None:
                call = self._call(step)
            call()
            since += 1
            if done == save_at:
                saved = [rows.state(i) for i in range(rows.rows)]
            due = iteration % self.eval_every == 0 or done == start.iterations
            if due:
                points = self._evaluate(rows, jobs, iteration, step.loss / since)
                for curve, point in zip(curves, points, strict=True):
                    curve.append(point)
                step.loss.zero_()
                since = 0
            if due or done % 10 == 0:
                for job, curve in zip(jobs, curves, strict=True):
                    self.watch(job, done, curve[-1] if due else None)
        seconds = (time.perf_counter() - began) / len(jobs)
        examples = start.iterations * self.recipe.batch_size
        return [Fitted(job, rows.state(i), saved[i], curves[i], seconds, examples) for i, job in enumerate(jobs)]

    def _step(self, rows: Network, jobs: Sequence[Job]) -> Step:
        # The noise of an iteration does not depend on where training started.
        noise = torch.tensor([_noise(job) + job.start.order for job in jobs], device=self.device)
        optimizer = make_optimizer(self.recipe, list(rows.params.values()))
        return Step(rows, feed(self.data.train, self.device), optimizer, self._autocast, noise, self.scope)

    def _call(self, step: Step) -> Callable[[], None]:
        """The step, as a CUDA graph where all of it happens on a GPU and nobody asks for its parts."""
        whole = self.device.type == "cuda" and isinstance(step.feed, Resident) and self.scope is nullcontext
        return captured(step) if whole else step

    def _load_epoch(self, step: Step, jobs: Sequence[Job], epoch: int, at: int) -> None:
        size, start = self.recipe.batch_size, jobs[0].start
        orders = [epoch_order(job.seed, job.round, epoch, len(self.data.train), size, self.device) for job in jobs]
        order = torch.stack(orders, dim=1)
        first = epoch * len(order) - start.order + start.schedule
        step.load(order, [learning_rate(self.recipe, max(0, first + i)) for i in range(len(order))], at)

    def _evaluate(self, rows: Network, jobs: Sequence[Job], iteration: int, train_loss: Tensor) -> list[Evaluation]:
        def logits(x: Tensor) -> Tensor:
            with self._autocast():
                return rows.logits_of_same(x)

        with self.scope("evaluation"):
            val, test = (evaluate(logits, split, self.device) for split in (self.data.val, self.data.test))
        points = []
        for job, train, of_val, of_test in zip(jobs, train_loss.tolist(), val, test, strict=True):
            for name, loss in (("training", train), ("validation", of_val[0]), ("test", of_test[0])):
                if not math.isfinite(loss):
                    raise Diverged(f"{job}: the {name} loss is {loss} at iteration {iteration}; try a lower train.lr")
            points.append(Evaluation(iteration, train, *of_val, *of_test))
        return points

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()


def to_device(data: Dataset, device: torch.device) -> Dataset:
    """The same data set; what is in memory, in the device's, images channels-last."""

    def move(split: Examples) -> Examples:
        if not isinstance(split, Split):
            return split
        return Split(split.images.to(device).contiguous(memory_format=torch.channels_last), split.labels.to(device))

    return Dataset(move(data.train), move(data.val), move(data.test), data.classes)


def _noise(job: Job) -> int:
    return generator(job.seed, "noise", job.round).initial_seed() % 2**62
