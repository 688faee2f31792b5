"""What paired seeds can claim: intervals of a mean difference, and verdicts by them. Pure; in percentage points.

A verdict is a one-sided t-test at 2.5%, which is to ask where the 95% Student interval lies. Over several rounds of one
arm each kind of verdict is corrected by Holm's method (1979), so that all of them together err as rarely as one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean
from typing import TypeVar

LEVEL = 0.025
"""How often a true null is rejected on one side: the two sides of a 95% interval."""

_MOST_SEEDS = 10_000

V = TypeVar("V", bound=StrEnum)


class Verdict(StrEnum):
    """What the difference of an arm to its baseline is, as far as its interval shows."""

    winning = "winning"
    matching = "matching"
    below = "below"
    undecided = "undecided"
    one_seed = "n = 1"


class Beats(StrEnum):
    """Whether a ticket is better than a control, as far as the interval of their difference shows.

    Of a control that was trained less than the ticket's weights, nothing is said.
    """

    yes = "beats"
    no = "does not beat"
    undecided = "undecided"
    one_seed = "n = 1"
    less_trained = "less trained"


@dataclass(frozen=True)
class Paired:
    """The mean of differences that are paired by seed.

    Args:
        mean: of the differences.
        deviation: over seeds; None for one seed.
        n: how many seeds.
    """

    mean: float
    deviation: float | None
    n: int

    @classmethod
    def of(cls, differences: Sequence[float], resolution: float = 0.0) -> "Paired":
        """From a difference per seed.

        Args:
            resolution: the steps that accuracies come in, one test image. Two differences may be equal by rounding
                alone, so the deviation is taken to be at least that of rounding two accuracies, ``resolution / √6``.

        Raises:
            ValueError: no differences.
        """
        if not differences:
            raise ValueError("no seed has both")
        n, mean = len(differences), fmean(differences)
        if n == 1:
            return cls(mean, None, n)
        variance = sum((one - mean) ** 2 for one in differences) / (n - 1)
        return cls(mean, max(math.sqrt(variance), resolution / math.sqrt(6)), n)

    @property
    def margin(self) -> float | None:
        """Half of the 95% Student interval; None for one seed."""
        return None if self.deviation is None else _t(self.n, LEVEL) * self.deviation / math.sqrt(self.n)

    def p_above(self, bound: float) -> float:
        """The p-value of a one-sided t-test of a mean that is no more than `bound`; 1 for one seed."""
        if self.deviation is None:
            return 1.0
        if self.deviation == 0:
            return 0.0 if self.mean > bound else 1.0
        from scipy.special import stdtr  # a quarter of a second, which one seed need not pay

        return float(stdtr(self.n - 1, (bound - self.mean) / self.deviation * math.sqrt(self.n)))

    def p_below(self, bound: float) -> float:
        """The same of a mean that is no less than `bound`."""
        return Paired(-self.mean, self.deviation, self.n).p_above(-bound)

    def seeds_to_tell(self, above: float, below: float, level: float = LEVEL) -> int | None:
        """How many seeds would tell that the mean is over `above`, or under `below`, if the seeds stay as they are.

        None where there is one seed, or where it takes more than ten thousand.
        """
        if self.deviation is None:
            return None
        low, high = self.n, _MOST_SEEDS
        distance = max(self.mean - above, below - self.mean)

        def enough(n: int) -> bool:
            return _t(n, level) * float(self.deviation or 0) / math.sqrt(n) < distance

        if not enough(high):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle + 1, high)
        return low


def verdicts(rounds: Sequence[Paired], tolerance: float) -> list[Verdict]:
    """What is claimed of the rounds of one arm, by the difference to its baseline.

    winning: above it. below: worse by more than the tolerance. matching: not worse than that (non-inferiority).
    undecided: the interval leaves more than one of these open. One seed decides nothing.

    Args:
        tolerance: points below the baseline up to which an arm is matching, 0 or more.
    """
    return _decide(
        rounds,
        (
            (Verdict.winning, lambda one: one.p_above(0)),
            (Verdict.below, lambda one: one.p_below(-tolerance)),
            (Verdict.matching, lambda one: one.p_above(-tolerance)),
        ),
        Verdict.undecided,
        Verdict.one_seed,
    )


def worse(one: Verdict, other: Verdict) -> Verdict:
    """What holds against both of two baselines."""
    order = (Verdict.one_seed, Verdict.below, Verdict.undecided, Verdict.matching, Verdict.winning)
    return min(one, other, key=order.index)


def beats(rounds: Sequence[Paired], tolerance: float) -> list[Beats]:
    """Whether a ticket beats a control in each round, by the ticket's accuracy minus the control's.

    It does not where its advantage is less than the tolerance.
    """
    return _decide(
        rounds,
        ((Beats.yes, lambda one: one.p_above(0)), (Beats.no, lambda one: one.p_below(tolerance))),
        Beats.undecided,
        Beats.one_seed,
    )


def holm(p: Sequence[float]) -> list[float]:
    """P-values adjusted for all of them being looked at (Holm 1979), in [0, 1], in the order given."""
    adjusted = [1.0] * len(p)
    highest = 0.0
    for place, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - place) * p[i]))
        adjusted[i] = highest
    return adjusted


def sampling_error(accuracy: float, examples: int) -> float:
    """The standard error of an accuracy in [0, 1] on so many examples, were they drawn anew; in points."""
    return 100 * math.sqrt(accuracy * (1 - accuracy) / examples)


def _decide(
    rounds: Sequence[Paired], claims: Sequence[tuple[V, Callable[[Paired], float]]], undecided: V, one_seed: V
) -> list[V]:
    """The first claim whose adjusted p-value is at most `LEVEL`, round by round."""
    several = [i for i, one in enumerate(rounds) if one.n > 1]
    found = [one_seed if one.n == 1 else undecided for one in rounds]
    for claim, p in reversed(claims):
        for i, adjusted in zip(several, holm([p(rounds[i]) for i in several]), strict=True):
            if adjusted <= LEVEL:
                found[i] = claim
    return found


def _t(n: int, level: float) -> float:
    """The quantile of Student's distribution with ``n - 1`` degrees of freedom that leaves `level` above it."""
    from scipy.special import stdtrit

    return float(stdtrit(n - 1, 1 - level))
