"""Who follows a training: who watches, keeps what is under way, or asks it to stop."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from lth_cli.core.signals import Signals
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Job
from lth_cli.training.progress import Progress


class Checkpoints(Protocol):
    """Keeps trainings that are under way."""

    def load(self, jobs: Sequence[Job]) -> Progress | None:
        """How far these jobs, trained together, had come, if that was kept."""

    def due(self, jobs: Sequence[Job], done: int) -> bool:
        """Whether `save` is to be called after `done` iterations."""

    def save(self, jobs: Sequence[Job], progress: Progress) -> None:
        """Keep it."""


Scope = Callable[[str], AbstractContextManager[object]]


def _ignore(job: Job, done: int, evaluation: Evaluation | None) -> None:
    pass


@dataclass(frozen=True)
class Hooks:
    """Who follows a training.

    Args:
        watch: is told now and then how far a job is, in iterations of its own, and of each of its evaluations.
        scope: names what runs in it, for a profile.
        diverged: is told of a job that diverged, which then has no result; None raises `Diverged`.
        checkpoints: keep what is under way.
        signals: say when to stop; what is under way is kept first.
    """

    watch: Callable[[Job, int, Evaluation | None], None] = _ignore
    scope: Scope = nullcontext
    diverged: Callable[[Job, str], None] | None = None
    checkpoints: Checkpoints | None = None
    signals: Signals = field(default_factory=Signals)
