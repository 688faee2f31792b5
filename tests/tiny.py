"""A problem that trains in milliseconds: two Gaussian blobs per class on 4x4 images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from lth_cli import models
from lth_cli.controls import RandomMask, Reinit
from lth_cli.controls.control import Control
from lth_cli.core import masks
from lth_cli.core.budget import plan
from lth_cli.core.seeds import generator
from lth_cli.core.state import Mask, Start
from lth_cli.datasets.dataset import Dataset, Split
from lth_cli.lottery.find import Find, Search, learn_the_mask, prune_and_rewind
from lth_cli.lottery.imp import run_imp
from lth_cli.lottery.prune import Pruner, Score
from lth_cli.lottery.pruned_to import PRUNED_TO
from lth_cli.lottery.replicate import Replicate
from lth_cli.models.network import initialiser, logits, prunable
from lth_cli.patterns import Pattern, Unstructured
from lth_cli.pruners import View, magnitude
from lth_cli.pruners.learner import Learner
from lth_cli.rewind import Early, Rewind
from lth_cli.schedules import Geometric
from lth_cli.training import executors
from lth_cli.training.executors import Executor
from lth_cli.training.jobs import Fit, Fitted, Job
from lth_cli.training.optimizers import Recipe
from lth_cli.training.trainer import Trainer

CPU = torch.device("cpu")
CONTROLS: dict[str, Control] = {"random_reinit": Reinit(keep_sign=False), "random_mask": RandomMask()}
SHAPE, CLASSES = (1, 4, 4), 3
ZERO = torch.zeros(1, dtype=torch.int64)
RECIPE = Recipe(
    optimizer="adam",
    lr=0.01,
    batch_size=8,
    iterations=20,
    momentum=0.0,
    weight_decay=0.0,
    schedule="constant",
    warmup=0,
    milestones=(0.5, 0.75),
    gamma=0.1,
)


def split(n: int, seed: int) -> Split:
    stream = generator(seed, "tiny")
    labels = torch.arange(n) % CLASSES
    centres = torch.randn(CLASSES, *SHAPE, generator=generator(0, "centres"))
    return Split(centres[labels] + 0.7 * torch.randn(n, *SHAPE, generator=stream), labels)


DATA = Dataset(split(96, 0), split(30, 1), split(30, 2), CLASSES)


def mlp() -> nn.Module:
    return models.mlp(SHAPE, CLASSES, [12])


def conv() -> nn.Module:
    return models.conv(SHAPE, CLASSES, [[4]], [6])


def normed() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )


def dropping() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3), nn.Dropout(0.1))


def trainer(build: Callable[[], nn.Module] = mlp, **changes: object) -> Trainer:
    recipe = replace(RECIPE, **changes)  # type: ignore[arg-type]
    return Trainer(build, DATA, recipe, 5, CPU, bf16=False)


def serial(build: Callable[[], nn.Module] = mlp, execute: Executor = executors.serial, **changes: object) -> Fit:
    return partial(execute, trainer(build, **changes))


def imp(
    build: Callable[[], nn.Module] = mlp,
    seeds: Sequence[int] = (0,),
    rounds: int = 2,
    target: float = 0.8,
    scope: str = "global",
    rewind: Rewind | None = None,
    controls: Mapping[str, Control] = CONTROLS,
    score: Score | Learner = magnitude,
    at: str = "trained",
    steps: int = 1,
    pattern: Pattern | None = None,
    pruned_to: str = "zero",
    execute: Executor = executors.serial,
    **changes: object,
) -> list[list[Fitted]]:
    """All rounds of a tiny run, controls in every round."""
    rewind = Early(0) if rewind is None else rewind
    pattern = Unstructured() if pattern is None else pattern
    recipe = trainer(build, **changes).recipe
    layers = prunable(build())
    rewind_to = rewind.saved_at(recipe.iterations, len(DATA.train) // recipe.batch_size)

    def restart(replicate: Replicate) -> Start:
        return rewind.restart(replicate.rewind, replicate.trained, rewind_to, recipe.iterations)

    if isinstance(score, Learner):
        find: Find = partial(learn_the_mask, learner=score, restart=restart)
    else:
        pruner = Pruner(score, at, steps, pattern, logits(build, CPU), DATA.train, ranks=True)
        find = partial(prune_and_rewind, prune=pruner, restart=restart)
    keep = pattern.fit(plan(layers, Geometric(target), rounds, scope, {}), layers)
    return list(
        run_imp(
            seeds=seeds,
            init=initialiser(partial(build)),
            layers=list(layers),
            search=Search(keep, pattern, rewind_to, find),
            controls=lambda round: controls,
            pruned_to=PRUNED_TO[pruned_to],
            fit=serial(build, execute, **changes),
            iterations=recipe.iterations,
        )
    )


def view(build: Callable[[], nn.Module] = mlp, seed: int = 0, mask: Mask | None = None, at: str = "trained") -> View:
    """A view of a network whose three points are three initialisations."""
    init = initialiser(build)
    first, rewind, trained = (init(generator(seed, point)) for point in ("init", "rewind", "trained"))
    mask = masks.ones(first.params, prunable(build())) if mask is None else mask
    replicate = Replicate(seed, first, rewind, trained, mask)
    pruner = Pruner(magnitude, at, 1, Unstructured(), logits(build, CPU), DATA.train)
    return pruner.view(replicate, mask, generator(seed, "prune", 1))


def arm(fitted: Sequence[Fitted], name: str, seed: int = 0) -> Fitted:
    (found,) = (one for one in fitted if one.job.arm == name and one.job.seed == seed)
    return found


def job(build: object = mlp, density: float = 0.5, iterations: int = 20, schedule: int = 0, **more: object) -> Job:
    state = initialiser(build)(generator(0, "init"))  # type: ignore[arg-type]
    draw = generator(0, "test")
    mask = {
        name: torch.rand(state.params[name].shape, generator=draw) < density
        for name in prunable(build())  # type: ignore[operator]
    }
    return Job(1, "winning", 0, Start(state, schedule, schedule, iterations), mask, **more)  # type: ignore[arg-type]
