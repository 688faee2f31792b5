"""What it takes to come to a trained network: all training up to there, the search for its mask included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING

Cell = Mapping[int, Mapping[str, Any]]
"""Rows of history of one arm and round, by seed."""

Cells = Mapping[tuple[str, int], Cell]
"""By arm and round."""


@dataclass(frozen=True)
class Cost:
    """Of one network, the mean over seeds.

    Args:
        iterations: of training.
        examples: seen in them; None where the batch size is not known.
        flops: multiplications and additions on weights, forward and backward, where pruned weights cost as much as
            others; None where the run is older than their count.
        seconds: of training and evaluation.
    """

    iterations: float
    examples: float | None
    flops: float | None
    seconds: float


def cost(cells: Cells, arm: str, round: int, seeds: Sequence[int], batch: int | None, flops: int | None) -> Cost:
    """What an arm took in a round, and all that came before it.

    A ticket takes the dense network and the tickets of the rounds before it, as does a control, which has its mask or
    its counts; a dense network that is trained again, those before it.

    Args:
        batch: examples of an iteration.
        flops: of the dense network's forward pass, per example. Its backward pass takes twice as many.
    """
    before = {DENSE: None, DENSE_RETRAINED: DENSE_RETRAINED}.get(arm, WINNING)
    taken = [(arm, round)]
    if before is not None:
        taken += [(DENSE, 0), *((before, k) for k in range(1, round))]
    rows = [row for place in taken for seed, row in cells.get(place, {}).items() if seed in seeds]
    iterations = sum(row["iterations"] for row in rows) / len(seeds)
    examples = None if batch is None else iterations * batch
    return Cost(
        iterations,
        examples,
        None if flops is None or examples is None else 3 * flops * examples,
        sum(row["train_seconds"] for row in rows) / len(seeds),
    )
