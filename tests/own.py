"""Choices that are not lth's own, some of which are called as one of its are."""

from dataclasses import dataclass

from lth_cli.controls import RandomMask
from lth_cli.core.state import Start, State
from lth_cli.pruners import Supermask


@dataclass(frozen=True)
class Reinit(RandomMask):
    """Not at all what lth calls so: another mask, the ticket's weights."""


@dataclass(frozen=True)
class LearningRate:
    """Called as a strategy of lth that keeps trained weights; this one goes back to the start."""

    def saved_at(self, total: int, per_epoch: int) -> int:
        return 0

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        return Start(saved, schedule=0, order=0, iterations=total)


@dataclass(frozen=True)
class Learned(Supermask):
    """A learned mask of one's own."""
