"""The serial executor: one job after the other."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from lth_cli.datasets.dataset import Dataset, Split
from lth_cli.rewind import State
from lth_cli.seeds import generator
from lth_cli.training.evaluate import evaluate
from lth_cli.training.jobs import Evaluation, Fitted, Job
from lth_cli.training.optimizers import Recipe, learning_rate, make_optimizer
from lth_cli.training.order import Order
from lth_cli.training.step import Step


class Diverged(RuntimeError):
    """A loss is no longer finite."""


class Watch(Protocol):
    """Told how training goes: the job, the iterations done of its own, and each evaluation."""

    def __call__(self, job: Job, done: int, evaluation: Evaluation | None) -> None: ...


@dataclass(frozen=True)
class Serial:
    """Trains jobs one by one on one device, with the whole data set there.

    Args:
        build: makes an uninitialised network.
        data: the three splits, moved to `device`.
        recipe: how to train.
        eval_every: evaluate at iterations that are a multiple of this, and at the end of training.
        device: where to train.
        bf16: run forward passes in bfloat16, weights staying float32.
        watch: told about progress.
    """

    build: Callable[[], nn.Module]
    data: Dataset
    recipe: Recipe
    eval_every: int
    device: torch.device
    bf16: bool
    watch: Watch

    def __call__(self, jobs: Sequence[Job]) -> list[Fitted]:
        """Train all jobs.

        Raises:
            Diverged: a loss is NaN or infinite.
        """
        fitted = []
        for job in jobs:
            # Layers such as dropout can only draw from the global generator: give each job its own, and put it back.
            with torch.random.fork_rng([self.device.index or 0] if self.device.type == "cuda" else []):
                torch.manual_seed(generator(job.seed, "noise", job.round).initial_seed())
                fitted.append(self._fit(job))
        return fitted

    def _fit(self, job: Job) -> Fitted:
        began = time.perf_counter()
        model = self._load(job)
        named = dict(model.named_parameters())
        dense = all(bool(m.all()) for m in job.mask.values())
        pruned = [] if dense else [(named[n], _like(m, named[n])) for n, m in job.mask.items()]
        optimizer = make_optimizer(self.recipe, list(named.values()))
        step = Step(model, pruned, optimizer, self._autocast)
        train, recipe = self.data.train, self.recipe
        order = Order(job.seed, job.round, len(train), recipe.batch_size, self.device)
        saved = _state(model) if job.save_at == 0 else None
        curve: list[Evaluation] = []
        loss, since = torch.zeros((), device=self.device), 0
        for done in range(1, job.start.iterations + 1):
            lr = learning_rate(recipe, job.start.schedule + done - 1)
            batch = order.batch(job.start.order + done - 1)
            loss += step(train.images[batch], train.labels[batch], lr)
            since += 1
            if done == job.save_at:
                saved = _state(model)
            evaluation = None
            iteration = job.start.order + done
            if iteration % self.eval_every == 0 or done == job.start.iterations:
                evaluation = self._evaluate(model, job, iteration, float(loss) / since)
                curve.append(evaluation)
                loss, since = torch.zeros_like(loss), 0
            self.watch(job, done, evaluation)
        examples = job.start.iterations * recipe.batch_size
        return Fitted(job, _state(model), saved, curve, time.perf_counter() - began, examples)

    def _load(self, job: Job) -> nn.Module:
        with torch.device("meta"):
            model = self.build()
        model.to_empty(device=self.device)
        masked = {
            name: torch.where(job.mask[name], p, 0.0) if name in job.mask else p
            for name, p in job.start.state.params.items()
        }
        model.load_state_dict({**masked, **job.start.state.buffers})
        return model.to(memory_format=torch.channels_last).train()

    def _evaluate(self, model: nn.Module, job: Job, iteration: int, train_loss: float) -> Evaluation:
        model.eval()

        def forward(x: Tensor) -> Tensor:
            with self._autocast():
                logits: Tensor = model(x)
            return logits

        val, test = evaluate(forward, self.data.val), evaluate(forward, self.data.test)
        model.train()
        for name, loss in (("training", train_loss), ("validation", val[0]), ("test", test[0])):
            if not math.isfinite(loss):
                where = f"round {job.round}, {job.arm}, seed {job.seed}"
                raise Diverged(f"{where}: the {name} loss is {loss} at iteration {iteration}; try a lower train.lr")
        return Evaluation(iteration, train_loss, *val, *test)

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()


def to_device(data: Dataset, device: torch.device) -> Dataset:
    """The same data set in the device's memory, images channels-last."""

    def move(split: Split) -> Split:
        return Split(split.images.to(device).contiguous(memory_format=torch.channels_last), split.labels.to(device))

    return Dataset(move(data.train), move(data.val), move(data.test), data.classes)


def _like(mask: Tensor, weight: Tensor) -> Tensor:
    """The mask as floats in the weight's memory layout, so that multiplying them is one pass."""
    return torch.empty_like(weight.detach()).copy_(mask)


def _state(model: nn.Module) -> State:
    """A copy on the CPU, in plain layout."""

    def copy(t: Tensor) -> Tensor:
        return t.detach().to("cpu", copy=True).contiguous()

    return State({n: copy(p) for n, p in model.named_parameters()}, {n: copy(b) for n, b in model.named_buffers()})
