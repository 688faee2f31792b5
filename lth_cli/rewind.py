"""Rewind strategies: where a ticket restarts after pruning.

Rewinding restores a triple: the weights (with buffers), the position in the learning-rate schedule, and the position
in the data order. With them goes what the optimizer remembers of these weights, such as momentum: `optimizer` is
``restored``, as in the released code of Frankle et al. (2020) and Renda et al. (2020), or ``fresh``. At iteration 0 it
remembers nothing.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from lth_cli.core.lengths import check, iterations
from lth_cli.core.state import Start, State

Moments = Literal["saved", "trained"] | None
"""Of which state a strategy wants what the optimizer remembers."""


@runtime_checkable
class Rewind(Protocol):
    """A rewind strategy.

    It may say more of itself: ``moments``, a `Moments`; where it does not, the optimizer starts fresh.
    """

    def saved_at(self, total: int, per_epoch: int) -> int:
        """The iteration of dense training whose state is saved for `restart`."""

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        """Where the pruned network starts, given the saved dense state, the trained state, and when it was saved."""


@dataclass(frozen=True)
class Early:
    """Back to an early iteration k of dense training, with the schedule and the data order (Frankle et al. 2020, §3).

    Args:
        iteration: k, as ``"100it"`` (or 100), or ``"1ep"``; 0 is the original initialisation.
        optimizer: restored or fresh.
    """

    iteration: str | int
    optimizer: str = "restored"

    def __post_init__(self) -> None:
        _check_optimizer(self.optimizer)
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

    @property
    def moments(self) -> Moments:
        return "saved" if self.optimizer == "restored" else None


@dataclass(frozen=True)
class Late:
    """Back to the state after a fraction of dense training, with the schedule and the data order.

    Args:
        fraction: of the training length, in [0, 1).
        optimizer: restored or fresh.
    """

    fraction: float
    optimizer: str = "restored"

    def __post_init__(self) -> None:
        _check_fraction(self.fraction)
        _check_optimizer(self.optimizer)

    def saved_at(self, total: int, per_epoch: int) -> int:
        return _part(self.fraction, total)

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        return Start(saved, schedule=at, order=at, iterations=total - at)

    @property
    def moments(self) -> Moments:
        return "saved" if self.optimizer == "restored" else None


@dataclass(frozen=True)
class LearningRate:
    """Keep the trained weights, replay the schedule (Renda et al. 2020, §3, learning-rate rewinding).

    Args:
        fraction: of the training length, in [0, 1): where schedule and data order go back to; 0 is their start.
        optimizer: restored, as at the end of the training that the weights come from, or fresh.
    """

    fraction: float = 0.0
    optimizer: str = "restored"

    def __post_init__(self) -> None:
        _check_fraction(self.fraction)
        _check_optimizer(self.optimizer)

    def saved_at(self, total: int, per_epoch: int) -> int:
        return 0

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        back = _part(self.fraction, total)
        return Start(trained, schedule=back, order=back, iterations=total - back)

    @property
    def moments(self) -> Moments:
        return "trained" if self.optimizer == "restored" else None


@dataclass(frozen=True)
class FineTune:
    """Keep the trained weights and train on at a small fixed rate, as long as dense (Renda et al. 2020, §3).

    Args:
        lr: that rate, above 0; None is the last of dense training, as of a schedule that drops in steps.
        optimizer: restored, as at the end of the training that the weights come from, or fresh.
    """

    lr: float | None = None
    optimizer: str = "restored"

    def __post_init__(self) -> None:
        if self.lr is not None and (type(self.lr) not in (int, float) or not 0 < self.lr < math.inf):
            raise ValueError(f"lr={self.lr}: a learning rate above 0, or null for the last one of dense training")
        _check_optimizer(self.optimizer)

    def saved_at(self, total: int, per_epoch: int) -> int:
        return 0

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        return Start(trained, schedule=total, order=0, iterations=total, lr=self.lr)

    @property
    def moments(self) -> Moments:
        return "trained" if self.optimizer == "restored" else None


def _part(fraction: float, total: int) -> int:
    """That part of training, leaving something of it."""
    return min(round(fraction * total), total - 1)


def _check_fraction(fraction: float) -> None:
    if type(fraction) not in (int, float) or not 0 <= fraction < 1:
        raise ValueError(f"fraction={fraction}: a fraction of training, in [0, 1)")


def _check_optimizer(optimizer: str) -> None:
    if optimizer not in ("restored", "fresh"):
        raise ValueError(f"optimizer={optimizer}: restored or fresh")
