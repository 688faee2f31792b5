"""What the trainer is given and gives back. `fit` takes a list of jobs: only the trainer may run some together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from lth_cli.masks import Mask
from lth_cli.rewind import Start, State


@dataclass(frozen=True)
class Job:
    """One network to train.

    Args:
        round: 0 is dense.
        arm: dense, winning, or a control's name.
        seed: of the replicate; with `round` it names the data order, which all arms share.
        start: weights, positions and length.
        mask: enforced after every step.
        save_at: iteration whose state is returned for rewinding, or None.
    """

    round: int
    arm: str
    seed: int
    start: Start
    mask: Mask
    save_at: int | None = None

    def __str__(self) -> str:
        return f"round {self.round}, {self.arm}, seed {self.seed}"


@dataclass(frozen=True)
class Evaluation:
    """One point of the learning curve; `iteration` counts along the data order, so a rewound ticket starts at k."""

    iteration: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    test_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Fitted:
    """A trained job.

    Args:
        state: weights and buffers at the end.
        saved: state at ``job.save_at``.
        curve: evaluations in order; the last is the end of training.
        seconds: wall-clock time of training and evaluation; of jobs that trained as one stack, an equal share each.
        examples: training examples seen.
    """

    job: Job
    state: State
    saved: State | None
    curve: list[Evaluation]
    seconds: float
    examples: int

    @property
    def early_stop(self) -> Evaluation:
        """The evaluation of minimum validation loss, the earliest of equals (Frankle & Carbin 2019, §2)."""
        return min(self.curve, key=lambda evaluation: evaluation.val_loss)


Fit = Callable[[Sequence[Job]], list[Fitted]]


class Watch(Protocol):
    """Told now and then how far a job is: the iterations done of its own; and of each of its evaluations."""

    def __call__(self, job: Job, done: int, evaluation: Evaluation | None) -> None: ...
