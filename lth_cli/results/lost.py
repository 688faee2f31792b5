"""Which seeds an arm lacks, as something diverged."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lth_cli.core.arms import DENSE, WINNING


@dataclass(frozen=True)
class Lost:
    """The seeds of an arm of which it, its ticket or its dense network diverged.

    Args:
        first: the round from which on a seed is lost.
        rounds: all of these, in order.
    """

    first: Mapping[int, int]
    rounds: Sequence[int]

    @classmethod
    def of(cls, arm: str, diverged: Mapping[tuple[str, int], Iterable[int]]) -> "Lost":
        """From the seeds that diverged, by arm and round."""
        first = dict[int, int]()
        for (one, round), seeds in diverged.items():
            if one in (arm, DENSE, WINNING):
                first |= {seed: min(round, first.get(seed, round)) for seed in seeds}
        return cls(first, sorted(first.values()))

    def beside(self, there: Iterable[int], round: int) -> int:
        """How many there are up to a round, but for those that are there, as of another run."""
        return bisect_right(self.rounds, round) - sum(self.first.get(seed, math.inf) <= round for seed in there)
