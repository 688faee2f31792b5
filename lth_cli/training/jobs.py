"""What the trainer is given and gives back. `fit` takes a list of jobs: only the trainer may run some together."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from lth_cli.core.budget import Keep
from lth_cli.core.state import Mask, Params, Start, State
from lth_cli.pruners.learner import Learner
from lth_cli.training.evaluate import Evaluation


@dataclass(frozen=True)
class Learn:
    """Train scores in place of weights: how, and how many weights their mask keeps."""

    how: Learner
    keep: Keep


@dataclass(frozen=True)
class Job:
    """One network to train.

    Args:
        round: 0 is dense.
        arm: dense, winning, or a control's name.
        seed: of the replicate; with `round` it names the data order, which all arms share.
        start: weights, positions and length.
        mask: enforced after every step.
        pruned_to: what a pruned weight is, by layer, tensors of the weight's shape; None is zero.
        save_at: iteration whose state is returned for rewinding, or None.
        random_labels: whether the training labels are permuted.
        learn: a mask within `mask`, the weights staying as they are; None trains the weights.
    """

    round: int
    arm: str
    seed: int
    start: Start
    mask: Mask
    save_at: int | None = None
    random_labels: bool = False
    pruned_to: Params | None = None
    learn: Learn | None = None

    def __str__(self) -> str:
        return f"round {self.round}, {self.arm}, seed {self.seed}"


@dataclass(frozen=True)
class Fitted:
    """A trained job.

    Args:
        state: weights and buffers at the end.
        saved: state at ``job.save_at``.
        curve: evaluations in order; the last is the end of training.
        seconds: wall-clock time of training and evaluation; of jobs that trained as one stack, an equal share each.
        examples: training examples seen.
        learned: the mask that the job was to learn, or None.
    """

    job: Job
    state: State
    saved: State | None
    curve: list[Evaluation]
    seconds: float
    examples: int
    learned: Mask | None = None

    @property
    def mask(self) -> Mask:
        """The mask of the trained network: its job's, or the one that it learned."""
        return self.job.mask if self.learned is None else self.learned

    @property
    def early_stop(self) -> Evaluation:
        """The evaluation of minimum validation loss, the earliest of equals (Frankle & Carbin 2019, §2)."""
        return min(self.curve, key=lambda evaluation: evaluation.val_loss)


Fit = Callable[[Sequence[Job]], list[Fitted]]


class Diverged(RuntimeError):
    """A loss is no longer finite."""


@dataclass(frozen=True)
class Progress:
    """A training between two steps: all that it takes to go on as if it had never stopped.

    Args:
        done: iterations.
        since: iterations since the last evaluation.
        seconds: that it has taken.
        curves: of each row.
        diverged: rows that did.
        tensors: of the device, by name.
    """

    done: int
    since: int
    seconds: float
    curves: list[list[Evaluation]]
    diverged: list[int]
    tensors: Params


class Checkpoints(Protocol):
    """Keeps trainings that are under way."""

    def load(self, jobs: Sequence[Job]) -> Progress | None:
        """How far these jobs, trained together, had come, if that was kept."""

    def due(self, jobs: Sequence[Job], done: int) -> bool:
        """Whether `save` is to be called after `done` iterations."""

    def save(self, jobs: Sequence[Job], progress: Progress) -> None:
        """Keep it; raises KeyboardInterrupt if the training has been asked to stop."""

    def asked_to_stop(self) -> bool:
        """Whether the training has been asked to stop."""


Scope = Callable[[str], AbstractContextManager[object]]


def _ignore(job: Job, done: int, evaluation: Evaluation | None) -> None:
    pass


@dataclass(frozen=True)
class Hooks:
    """Who follows a training.

    Args:
        watch: is told now and then how far a job is, in iterations of its own, and of each of its evaluations.
        scope: names what runs in it, for a profile.
        diverged: is told of a job that diverged, which is then left out; None raises `Diverged`.
        checkpoints: keep what is under way.
    """

    watch: Callable[[Job, int, Evaluation | None], None] = _ignore
    scope: Scope = nullcontext
    diverged: Callable[[Job, str], None] | None = None
    checkpoints: Checkpoints | None = None
