"""Optimizers and learning-rate schedules."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from lth_cli.core.state import Start


@dataclass(frozen=True)
class Recipe:
    """How to train, with every length in iterations.

    Args:
        optimizer: adam or sgd.
        lr: peak learning rate.
        batch_size: examples per step; the last incomplete batch of an epoch is dropped.
        iterations: the whole budget of dense training.
        momentum: of sgd.
        weight_decay: L2 coefficient, added to the gradient (coupled, as in the papers).
        schedule: constant, step or cosine.
        warmup: iterations over which the rate rises linearly from lr / warmup.
        milestones: fractions of training after which a step schedule multiplies the rate by gamma.
        gamma: that factor.
    """

    optimizer: str
    lr: float
    batch_size: int
    iterations: int
    momentum: float
    weight_decay: float
    schedule: str
    warmup: int
    milestones: Sequence[float]
    gamma: float


class Optimizer(Protocol):
    """Takes steps on tensors in place, and shows its moments, which are zero before the first step."""

    moments: list[list[Tensor]]

    def step(self, gradients: Sequence[Tensor], lr: Tensor) -> None:
        """One step with a gradient per parameter, at the learning rate `lr`, a scalar on the device."""

    def state(self) -> dict[str, list[Tensor]]:
        """All that it remembers, one tensor per parameter."""


class Adam:
    """torch's fused Adam (Kingma & Ba 2015), betas 0.9 and 0.999, epsilon 1e-8."""

    def __init__(self, params: Sequence[Tensor], weight_decay: float) -> None:
        self.params, self.weight_decay = list(params), weight_decay
        self.moments = [[torch.zeros_like(p) for p in params] for _ in range(2)]
        self._steps = [torch.zeros((), device=p.device) for p in params]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], lr: Tensor) -> None:
        first, second = self.moments
        adam(
            self.params, list(gradients), first, second, [], self._steps,
            lr=lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=self.weight_decay,
            amsgrad=False, maximize=False, fused=True,
        )  # fmt: skip

    def state(self) -> dict[str, list[Tensor]]:
        return {"first": self.moments[0], "second": self.moments[1], "steps": self._steps}


class SGD:
    """torch's fused SGD with momentum."""

    def __init__(self, params: Sequence[Tensor], momentum: float, weight_decay: float) -> None:
        self.params, self.momentum, self.weight_decay = list(params), momentum, weight_decay
        self.moments = [[torch.zeros_like(p) for p in params]] if momentum else []

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], lr: Tensor) -> None:
        velocity: list[Tensor | None] = [*self.moments[0]] if self.moments else [None] * len(self.params)
        sgd(
            self.params, list(gradients), velocity,
            lr=lr, momentum=self.momentum, weight_decay=self.weight_decay,
            dampening=0.0, nesterov=False, maximize=False, fused=True,
        )  # fmt: skip

    def state(self) -> dict[str, list[Tensor]]:
        return dict(zip(["velocity"], self.moments, strict=False))


def make_optimizer(recipe: Recipe, params: Sequence[Tensor]) -> Optimizer:
    """A fresh optimizer.

    These are torch.optim's own functions without its classes, whose first use imports its compiler: a second per run.
    """
    if recipe.optimizer == "adam":
        return Adam(params, recipe.weight_decay)
    return SGD(params, recipe.momentum, recipe.weight_decay)


def learning_rate(recipe: Recipe, iteration: int) -> float:
    """The rate of the step taken at `iteration` (from 0); past the end of training, that of the last step."""
    iteration = min(iteration, recipe.iterations - 1)
    if iteration < recipe.warmup:
        return recipe.lr * (iteration + 1) / recipe.warmup
    progress = iteration / recipe.iterations
    if recipe.schedule == "step":
        return recipe.lr * recipe.gamma ** sum(progress >= milestone for milestone in recipe.milestones)
    if recipe.schedule == "cosine":
        done = (iteration - recipe.warmup) / (recipe.iterations - recipe.warmup)
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * done))
    return recipe.lr


def rate(recipe: Recipe, start: Start, iteration: int) -> float:
    """The rate of the step taken at `iteration` of the schedule by what trains from `start`."""
    return learning_rate(recipe, iteration) if start.lr is None else start.lr
