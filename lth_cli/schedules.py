"""Sparsity schedules: the density a ticket has after round k of n.

A schedule is called with (round, rounds) and answers with one density in (0, 1], or with one per layer kind
(conv, fc, output). Round 0 is always dense. One whose rounds depend on how many there are may say at which target they
would not: `target_of(more, rounds)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lth_cli.core.layers import KINDS, Density


@dataclass(frozen=True)
class Geometric:
    """Remove the same fraction of what is left in every round: (1 - target)^(k/n) (Frankle & Carbin 2019, §2).

    Args:
        target: sparsity after the last round, in [0, 1).
    """

    target: float

    def __post_init__(self) -> None:
        _check_fraction("target", self.target)

    def __call__(self, round: int, rounds: int) -> Density:
        return float((1 - self.target) ** (round / rounds))

    def target_of(self, more: int, rounds: int) -> float:
        """The target at which the first of `more` rounds are as of `rounds` now."""
        return float(1 - (1 - self.target) ** (more / rounds))


@dataclass(frozen=True)
class Linear:
    """Remove the same number of weights in every round: 1 - target * k/n.

    Args:
        target: sparsity after the last round, in [0, 1).
    """

    target: float

    def __post_init__(self) -> None:
        _check_fraction("target", self.target)

    def __call__(self, round: int, rounds: int) -> Density:
        return 1 - self.target * round / rounds

    def target_of(self, more: int, rounds: int) -> float:
        """The target at which the first of `more` rounds are as of `rounds` now; from 1 on, there is none."""
        return self.target * more / rounds


@dataclass(frozen=True)
class OneShot:
    """Remove everything in a single round (Frankle & Carbin 2019, §2, "one-shot").

    Args:
        target: sparsity after round 1, in [0, 1).
    """

    target: float

    def __post_init__(self) -> None:
        _check_fraction("target", self.target)

    def __call__(self, round: int, rounds: int) -> Density:
        if rounds != 1:
            raise ValueError(f"one_shot prunes once: rounds must be 1, not {rounds}")
        return 1 - self.target if round else 1.0


@dataclass(frozen=True)
class FixedRate:
    """Remove a fixed fraction per round, by layer kind: (1 - rate)^k (Frankle & Carbin 2019, figure 2).

    Args:
        rate: {conv, fc, output}: fraction of the layer's remaining weights removed per round, in [0, 1).
    """

    rate: Mapping[str, float]

    def __post_init__(self) -> None:
        if not isinstance(self.rate, Mapping):
            raise ValueError(
                f"rate={self.rate}: a fraction per layer kind, such as {{conv: 0.1, fc: 0.2, output: 0.1}}"
            )
        for kind, rate in self.rate.items():
            if kind not in KINDS:
                raise ValueError(f"rate.{kind}: layer kinds are {', '.join(KINDS)}")
            _check_fraction(f"rate.{kind}", rate)

    def __call__(self, round: int, rounds: int) -> Density:
        return {kind: float((1 - rate) ** round) for kind, rate in self.rate.items()}


@dataclass(frozen=True)
class Densities:
    """An explicit list: the density after each round.

    Args:
        densities: fractions kept, in (0, 1], never rising; one per round.
    """

    densities: Sequence[float]

    def __post_init__(self) -> None:
        if not isinstance(self.densities, list | tuple):
            raise ValueError(f"densities={self.densities}: a list of fractions kept")
        previous = 1.0
        for value in self.densities:
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= previous:
                raise ValueError(f"densities={list(self.densities)}: fractions kept in (0, 1] that never rise")
            previous = value

    def __call__(self, round: int, rounds: int) -> Density:
        if rounds != len(self.densities):
            raise ValueError(f"densities lists {len(self.densities)} rounds, not {rounds}")
        return float(self.densities[round - 1]) if round else 1.0


def _check_fraction(key: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ValueError(f"{key}={value}: a fraction removed, in [0, 1)")
