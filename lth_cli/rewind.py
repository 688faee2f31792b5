"""Rewind strategies: where a ticket restarts after pruning.

Rewinding restores a triple: the weights (with buffers), the position in the learning-rate schedule, and the position
in the data order. Optimizer state always starts fresh, as in Frankle & Carbin (2019) and Renda et al. (2020).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lth_cli.core.lengths import check, iterations
from lth_cli.core.state import Start, State


@runtime_checkable
class Rewind(Protocol):
    """A rewind strategy."""

    def saved_at(self, total: int, per_epoch: int) -> int:
        """The iteration of dense training whose state is saved for `restart`."""

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        """Where the pruned network starts, given the saved dense state, the trained state, and when it was saved."""


@dataclass(frozen=True)
class Early:
    """Back to an early iteration k of dense training, with the schedule and the data order (Frankle et al. 2020, §3).

    Args:
        iteration: k, as ``"100it"`` (or 100), or ``"1ep"``; 0 is the original initialisation.
    """

    iteration: str | int

    def __post_init__(self) -> None:
        if isinstance(self.iteration, bool) or not isinstance(self.iteration, str | int):
            raise ValueError(f"iteration={self.iteration}: an iteration, as 100, 100it or 1ep")
        if isinstance(self.iteration, str):
            try:
                check(self.iteration)
            except ValueError as error:
                raise ValueError(f"iteration={self.iteration}: {error}") from None

    def saved_at(self, total: int, per_epoch: int) -> int:
        k = self.iteration if isinstance(self.iteration, int) else iterations(self.iteration, per_epoch)
        if not 0 <= k < total:
            raise ValueError(f"iteration={self.iteration} is not before the end of training, {total} iterations")
        return k

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        return Start(saved, schedule=at, order=at, iterations=total - at)


@dataclass(frozen=True)
class Late:
    """Back to the state after a fraction of dense training, with the schedule and the data order.

    Args:
        fraction: of the training length, in [0, 1).
    """

    fraction: float

    def __post_init__(self) -> None:
        if not isinstance(self.fraction, float | int) or isinstance(self.fraction, bool) or not 0 <= self.fraction < 1:
            raise ValueError(f"fraction={self.fraction}: a fraction of training, in [0, 1)")

    def saved_at(self, total: int, per_epoch: int) -> int:
        return min(round(self.fraction * total), total - 1)

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        return Start(saved, schedule=at, order=at, iterations=total - at)


@dataclass(frozen=True)
class LearningRate:
    """Keep the trained weights, replay the schedule from its start (Renda et al. 2020, §3, learning-rate rewinding)."""

    def saved_at(self, total: int, per_epoch: int) -> int:
        return 0

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        return Start(trained, schedule=0, order=0, iterations=total)


@dataclass(frozen=True)
class FineTune:
    """Keep the trained weights and train on at the last learning rate, as long as dense (Renda et al. 2020, §3)."""

    def saved_at(self, total: int, per_epoch: int) -> int:
        return 0

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        return Start(trained, schedule=total, order=0, iterations=total)
