"""What a checkpoint holds: a training between two steps, as plain values and named tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_cli.core.metrics import LOSS, METRICS, Metric
from lth_cli.core.state import Params, Start, State
from lth_cli.core.tensors import pack, part, under, unpack
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Job

_MOST_SECONDS = 1e9
_MOST = 1e100  # of what is measured in float32; of more, the square would be no number


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


def fits(progress: Progress, jobs: Sequence[Job], written: Sequence[Tensor], eval_every: int) -> bool:
    """Whether these jobs can have come so far: a file says it, which somebody may have written."""
    start, done, gone = jobs[0].start, progress.done, progress.diverged
    if not isinstance(gone, list) or not all(map(_is_count, (done, progress.since, *gone))):
        return False
    if not 0 < done <= start.iterations or max(gone, default=0) >= len(jobs):
        return False
    if not isinstance(progress.seconds, int | float) or not 0 <= progress.seconds < _MOST_SECONDS:
        return False
    evaluated = _evaluated(start, done, eval_every)
    if progress.since != done - (evaluated[-1] - start.order):
        return False
    if len(progress.curves) != len(jobs):
        return False
    if not all(_is_curve(curve, evaluated, row in gone) for row, curve in enumerate(progress.curves)):
        return False
    saved = [job.start.state if job.save_at is not None and job.save_at <= done else None for job in jobs]
    return _shapes(take(written, saved)) == _shapes(progress.tensors)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _evaluated(start: Start, done: int, every: int) -> list[int]:
    """The iterations, along the data order, at which a training that has come so far was evaluated."""
    end = start.order + start.iterations
    later = [i for i in range(start.order + 1, start.order + done + 1) if i % every == 0 or i == end]
    return [start.order, *later]


def _is_curve(points: Sequence[Evaluation], evaluated: list[int], diverged: bool) -> bool:
    """Whether a row can have this curve; one that diverged got no point from then on."""
    iterations = [point.iteration for point in points]
    whole = len(points) < len(evaluated) if diverged else len(points) == len(evaluated)
    losses = [point.train_loss for point in points]
    trained = losses[:1] in ([], [None]) and all(_can_be(loss, LOSS) for loss in losses[1:])
    return whole and trained and iterations == evaluated[: len(points)] and all(map(_is_point, points))


def _is_point(point: Evaluation) -> bool:
    splits = all(
        split.keys() == {metric.name for metric in METRICS}
        and all(_can_be(split[metric.name], metric) for metric in METRICS)
        for split in (point.val, point.test)
    )
    return splits and type(point.iteration) is int


def _can_be(value: object, metric: Metric) -> bool:
    return type(value) is float and metric.low <= value <= min(metric.top, _MOST)


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
