"""Optimizers and learning-rate schedules."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


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


def make_optimizer(recipe: Recipe, params: Sequence[Tensor]) -> torch.optim.Optimizer:
    """A fresh optimizer, fused where the device has the kernel."""
    if recipe.optimizer == "adam":
        return torch.optim.Adam(params, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    return torch.optim.SGD(params, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay, fused=True)


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
