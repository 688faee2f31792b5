"""What it takes to come to a trained network: all training up to there, the search for its mask included."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
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


@dataclass(frozen=True)
class Sums:
    """What the rounds of an arm took of one seed, from round 1 on.

    Args:
        rounds: in order.
        iterations: of those before each of them, and at last of all.
        seconds: the same.
    """

    rounds: Sequence[int]
    iterations: Sequence[int]
    seconds: Sequence[float]

    def before(self, round: int) -> tuple[int, float]:
        """Iterations and seconds."""
        place = bisect_left(self.rounds, round)
        return self.iterations[place], self.seconds[place]


Spent = Mapping[str, Mapping[int, Sums]]
"""By arm and seed; of the arms on which others build."""


def spent(cells: Cells) -> Spent:
    """Summed up once, as each round is asked what all before it took."""
    found: dict[tuple[str, int], list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    for (arm, round), cell in sorted(cells.items()):
        if arm in (WINNING, DENSE_RETRAINED) and round > 0:
            for seed, row in cell.items():
                found[arm, seed].append((round, row))
    sums: dict[str, dict[int, Sums]] = {WINNING: {}, DENSE_RETRAINED: {}}
    for (arm, seed), rows in found.items():
        iterations, seconds = (
            list(accumulate((row[name] for _, row in rows), initial=0)) for name in ("iterations", "train_seconds")
        )
        sums[arm][seed] = Sums([round for round, _ in rows], iterations, seconds)
    return sums


def cost(
    cells: Cells, spent: Spent, arm: str, round: int, seeds: Collection[int], batch: int | None, flops: int | None
) -> Cost:
    """What an arm took in a round, and all that came before it.

    A ticket takes the dense network and the tickets of the rounds before it, as does a control, which has its mask or
    its counts; a dense network that is trained again, those before it.

    Args:
        spent: of the same cells.
        batch: examples of an iteration.
        flops: of the dense network's forward pass, per example. Its backward pass takes twice as many.
    """
    places = [(arm, round)] if arm == DENSE else [(arm, round), (DENSE, 0)]
    rows = [cell[seed] for cell in (cells.get(place, {}) for place in places) for seed in seeds if seed in cell]
    sums = {} if arm == DENSE else spent[DENSE_RETRAINED if arm == DENSE_RETRAINED else WINNING]
    before = [sums[seed].before(round) for seed in seeds if seed in sums]
    iterations = (sum(row["iterations"] for row in rows) + sum(taken for taken, _ in before)) / len(seeds)
    seconds = (sum(row["train_seconds"] for row in rows) + sum(taken for _, taken in before)) / len(seeds)
    examples = None if batch is None else iterations * batch
    return Cost(iterations, examples, None if flops is None or examples is None else 3 * flops * examples, seconds)
