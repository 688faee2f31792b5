"""Pruning a network: a criterion's scores, at one of three points, turned into a mask of a pattern."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch

from lth_cli.core import masks
from lth_cli.core.budget import Keep
from lth_cli.core.seeds import generator
from lth_cli.core.state import Logits, Mask, Params, State
from lth_cli.datasets.dataset import Examples
from lth_cli.patterns import Pattern
from lth_cli.pruners.view import View

Score = Callable[[View], Params]


@dataclass(frozen=True)
class Points:
    """Where a network has been: at its initialisation, at the rewind point, and after its last training."""

    init: State
    rewind: State
    trained: State


class Prune(Protocol):
    """Points, mask, how many to keep, stream -> mask."""

    def __call__(
        self, points: Points, mask: Mask, keep: Keep, stream: torch.Generator, invert: bool = False
    ) -> Mask: ...


@dataclass(frozen=True)
class Pruner:
    """Prunes by a criterion.

    Args:
        score: view -> a score per weight; larger is kept. See `pruners`.
        at: which of the points the criterion sees as ``view.params``: init, rewind or trained.
        steps: how often it is asked on the way to the count; each step keeps the same fraction of what is left.
        pattern: of the masks.
        network: as a function.
        train: where the criterion's examples are drawn from.
    """

    score: Score
    at: str
    steps: int
    pattern: Pattern
    network: Logits
    train: Examples

    def __call__(self, points: Points, mask: Mask, keep: Keep, stream: torch.Generator, invert: bool = False) -> Mask:
        """The mask that keeps `keep` of the weights alive; with `invert`, of the lowest scores."""
        alive: Keep = masks.remaining(mask) if isinstance(keep, int) else masks.layer_counts(mask)
        for step in range(1, self.steps + 1):
            scores = self.score(self.view(points, mask, stream))
            if invert:
                scores = {name: -score for name, score in scores.items()}
            mask = self.pattern.select(scores, mask, on_the_way(alive, keep, step / self.steps))
        return mask

    def view(self, points: Points, mask: Mask, stream: torch.Generator) -> View:
        """What the criterion sees."""
        at: State = getattr(points, self.at)
        return View(
            params=masks.apply(mask, at.params),
            buffers=at.buffers,
            init=masks.apply(mask, points.init.params),
            rewind=masks.apply(mask, points.rewind.params),
            trained=masks.apply(mask, points.trained.params),
            mask=mask,
            generator=stream,
            draw=self._draw,
            network=self.network,
        )

    def rehearse(self, points: Points, layers: Iterable[str]) -> None:
        """Score untrained networks once, so that a criterion which fails does so before any training.

        Raises:
            ValueError: a layer has no scores, or not one per weight.
        """
        mask = masks.ones(points.init.params, layers)
        scores = self.score(self.view(points, mask, generator(0, "rehearsal")))
        for name, m in mask.items():
            if not isinstance(scores.get(name), torch.Tensor) or scores[name].shape != m.shape:
                raise ValueError(f"the criterion gives no score for each weight of {name}, {tuple(m.shape)}")

    def _draw(self, number: int, stream: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        taken = self.train.take(torch.randperm(len(self.train), generator=stream)[:number])
        return taken.images, taken.labels


def on_the_way(alive: Keep, keep: Keep, fraction: float) -> Keep:
    """What is kept after a fraction of the steps from `alive` to `keep`, geometrically (Tanaka et al. 2020)."""
    if isinstance(alive, dict) and isinstance(keep, dict):
        return {name: _between(alive[name], keep[name], fraction) for name in keep}
    assert isinstance(alive, int)
    assert isinstance(keep, int)
    return _between(alive, keep, fraction)


def _between(alive: int, keep: int, fraction: float) -> int:
    return round(math.pow(alive, 1 - fraction) * math.pow(keep, fraction))
