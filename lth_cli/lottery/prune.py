"""Pruning a network: a criterion's scores, at one of three points, turned into a mask of a pattern."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.ranks import ranked
from lth_cli.core.seeds import generator
from lth_cli.core.state import Logits, Mask, Params, State
from lth_cli.datasets.dataset import Examples
from lth_cli.lottery.replicate import Replicate
from lth_cli.patterns import Pattern
from lth_cli.pruners.view import View

Score = Callable[[View], Params]


@dataclass(frozen=True)
class Pruner:
    """Prunes by a criterion.

    Args:
        score: view -> a score per weight; larger is kept. See `pruners`.
        at: at which point the criterion sees the network as ``view.params``: init, rewind or trained.
        steps: how often it is asked on the way to the count; each step keeps the same fraction of what is left.
        pattern: of the masks.
        network: as a function.
        train: where the criterion's examples are drawn from.
        ranks: whether to remember how each weight was ranked, which takes time and memory.
    """

    score: Score
    at: str
    steps: int
    pattern: Pattern
    network: Logits
    train: Examples
    ranks: bool = False

    def __call__(self, replicate: Replicate, keep: Counts, stream: torch.Generator) -> tuple[Mask, Params | None]:
        """The mask that keeps `keep` of the weights alive, and the ranks of all weights, if they are wanted."""
        mask, ranks = replicate.mask, replicate.ranks
        alive = masks.layer_counts(mask)
        for step in range(1, self.steps + 1):
            scores = self.score(self.view(replicate, mask, stream))
            if self.ranks:
                ranks = ranked(scores, mask, ranks)
            mask = self.pattern.select(scores, mask, keep.on_the_way(alive, step / self.steps))
        return mask, ranks

    def lowest(self, ranks: Params, keep: Counts) -> Mask:
        """The mask of the `keep` weights that rank lowest, pruned or not; a filter by the mean of its weights."""
        everything = masks.ones(ranks, ranks)
        return self.pattern.select({name: -rank for name, rank in ranks.items()}, everything, keep)

    def view(self, replicate: Replicate, mask: Mask, stream: torch.Generator) -> View:
        """What the criterion sees."""
        at: State = getattr(replicate, self.at)
        return View(
            params=masks.apply(mask, at.params),
            buffers=at.buffers,
            init=masks.apply(mask, replicate.init.params),
            rewind=masks.apply(mask, replicate.rewind.params),
            trained=masks.apply(mask, replicate.trained.params),
            mask=mask,
            generator=stream,
            draw=self._draw,
            network=self.network,
        )

    def rehearse(self, replicate: Replicate) -> None:
        """Score untrained networks once, so that a criterion which fails does so before any training.

        Raises:
            ValueError: a layer has no scores, or not one per weight.
        """
        scores = self.score(self.view(replicate, replicate.mask, generator(0, "rehearsal")))
        if not isinstance(scores, Mapping):
            raise ValueError(f"the criterion gives a {type(scores).__name__}, not scores by layer")
        for name, m in replicate.mask.items():
            score = scores.get(name)
            if not isinstance(score, torch.Tensor) or score.shape != m.shape:
                what = tuple(score.shape) if isinstance(score, torch.Tensor) else type(score).__name__
                given = "nothing" if score is None else what
                raise ValueError(
                    f"the criterion gives no score for each weight of {name}, {tuple(m.shape)}, but {given}"
                )
            if score.is_complex():
                raise ValueError(f"the criterion gives complex scores for {name}")
            if bool(score.isnan().any()):
                raise ValueError(f"the criterion gives NaN for a weight of {name}")

    def _draw(self, number: int, stream: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        taken = self.train.take(torch.randperm(len(self.train), generator=stream)[:number])
        return taken.images, taken.labels
