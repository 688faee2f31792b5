"""Who follows a training: who watches, keeps what is under way, or asks it to stop."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from lth_cli.core import signals
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


class Stop(Protocol):
    """Whether the training has been asked to stop."""

    def asked_to_stop(self) -> bool:
        """Whether it has."""

    def stop_if_asked(self) -> None:
        """Raise KeyboardInterrupt if it has."""

    def in_worker(self, parent: int) -> None:
        """Called first in a process forked from `parent`."""


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
        stop: says when to stop; what is under way is kept first.
    """

    watch: Callable[[Job, int, Evaluation | None], None] = _ignore
    scope: Scope = nullcontext
    diverged: Callable[[Job, str], None] | None = None
    checkpoints: Checkpoints | None = None
    stop: Stop = signals
