"""What the trainer is given and gives back. `fit` takes a list of jobs: only the trainer may run some together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lth_cli.core.counts import Counts
from lth_cli.core.state import Mask, Params, Start, State
from lth_cli.pruners.learner import Learner
from lth_cli.training.evaluate import Evaluation


@dataclass(frozen=True)
class Job:
    """One network to train.

    Args:
        round: 0 is dense.
        arm: dense, winning, or a control's name.
        seed: of the replicate; it names the data order, which all arms share, with `round` or for all rounds.
        start: weights, positions and length.
        mask: enforced after every step.
        save_at: iteration whose state is returned for rewinding, or None.
        random_labels: whether the training labels are permuted.
        pruned_to: what a pruned weight is, by layer, tensors of the weight's shape; None is zero.
        learner: learns a mask within `mask`, the weights staying as they are; None trains the weights.
        keep: how many weights the learned mask keeps.
    """

    round: int
    arm: str
    seed: int
    start: Start
    mask: Mask
    save_at: int | None = None
    random_labels: bool = False
    pruned_to: Params | None = None
    learner: Learner | None = None
    keep: Counts | None = None

    def __str__(self) -> str:
        return f"round {self.round}, {self.arm}, seed {self.seed}"


@dataclass(frozen=True)
class Fitted:
    """A trained job.

    Args:
        mask: its job's, or the one that it has learned.
        state: weights and buffers at the end.
        saved: state at ``job.save_at``.
        curve: evaluations in order; the first is where training starts, the last its end.
        seconds: wall-clock time of training and evaluation; of jobs that trained as one stack, an equal share each.
        examples: training examples seen.
    """

    job: Job
    mask: Mask
    state: State
    saved: State | None
    curve: list[Evaluation]
    seconds: float
    examples: int

    @property
    def early_stop(self) -> Evaluation:
        """The evaluation of minimum validation loss, the earliest of equals (Frankle & Carbin 2019, §2).

        Where a training starts does not count: it may go on from weights that were trained.
        """
        return min(self.curve[1:] or self.curve, key=lambda evaluation: evaluation.val_loss)

    def reaches(self, val_loss: float) -> int | None:
        """The first iteration at which it was evaluated to lose no more than that on validation; None if never."""
        return next((point.iteration for point in self.curve if point.val_loss <= val_loss), None)


Fit = Callable[[Sequence[Job]], list[Fitted | None]]
"""Trains jobs; answers in their order, with None for one that diverged."""
