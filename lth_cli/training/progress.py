"""What a checkpoint holds: a training between two steps, as plain values and named tensors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_cli.core.state import Params, State
from lth_cli.core.tensors import pack, part, under, unpack
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Job

_MOST_SECONDS = 1e9


@dataclass(frozen=True)
class Progress:
    """A training between two steps: all that it takes to go on as if it had never stopped.

    Args:
        done: iterations.
        since: iterations since the last evaluation.
        seconds: that it has taken.
        curves: of each row.
        diverged: rows that did.
        tensors: of the device, by name: what `take` gives.
    """

    done: int
    since: int
    seconds: float
    curves: list[list[Evaluation]]
    diverged: list[int]
    tensors: Params


def take(written: Sequence[Tensor], saved: Sequence[State | None]) -> Params:
    """What a step has written, the states that were saved for rewinding, and the global generator."""
    tensors = under("step", {str(i): t for i, t in enumerate(written)})
    for i, state in enumerate(saved):
        if state is not None:
            tensors |= under(f"saved/{i}", pack({}, state))
    return {**tensors, "generator": torch.get_rng_state()}


def fits(progress: Progress, jobs: Sequence[Job], written: Sequence[Tensor]) -> bool:
    """Whether these jobs can have come so far: a file says it, which somebody may have written."""
    done, gone = progress.done, progress.diverged
    if not all(type(count) is int and count >= 0 for count in (done, progress.since, *gone)):
        return False
    if not 0 < done <= jobs[0].start.iterations or max(gone, default=0) >= len(jobs):
        return False
    if not isinstance(progress.seconds, int | float) or not 0 <= progress.seconds < _MOST_SECONDS:
        return False
    ended = done == jobs[0].start.iterations
    if len(progress.curves) != len(jobs) or not all(_is_curve(curve) for curve in progress.curves):
        return False
    if ended and not all(curve or row in gone for row, curve in enumerate(progress.curves)):
        return False
    saved = [job.start.state if job.save_at is not None and job.save_at <= done else None for job in jobs]
    return _shapes(take(written, saved)) == _shapes(progress.tensors)


def _is_curve(points: Sequence[Evaluation]) -> bool:
    losses = [loss for point in points for loss in (point.train_loss, *point.val.values(), *point.test.values())]
    finite = all(isinstance(loss, int | float) and math.isfinite(loss) for loss in losses)
    return finite and all(type(point.iteration) is int for point in points)


def _shapes(tensors: Params) -> dict[str, object]:
    return {name: (t.shape, t.dtype) for name, t in tensors.items()}


def put_back(tensors: Params, written: Sequence[Tensor], saved: list[State | None]) -> None:
    """Set all of it to what `take` gave; of `saved`, those rows that were saved by then.

    Raises:
        RuntimeError: the state of the global generator is none; nothing is set.
    """
    torch.set_rng_state(tensors["generator"])  # which may refuse it: first, as nothing has changed yet
    with torch.no_grad():
        for i, t in enumerate(written):
            t.copy_(tensors[f"step/{i}"])
    for i in range(len(saved)):
        _, state = unpack(part(tensors, f"saved/{i}"))
        if state.params:
            saved[i] = state
