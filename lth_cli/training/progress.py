"""What a checkpoint holds: a training between two steps, as plain values and named tensors."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_cli.core.state import Params, State
from lth_cli.core.tensors import pack, part, under, unpack
from lth_cli.training.evaluate import Evaluation


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


def put_back(tensors: Params, written: Sequence[Tensor], saved: list[State | None]) -> None:
    """Set all of it to what `take` gave; of `saved`, those rows that were saved by then."""
    with torch.no_grad():
        for i, t in enumerate(written):
            t.copy_(tensors[f"step/{i}"])
    for i in range(len(saved)):
        _, state = unpack(part(tensors, f"saved/{i}"))
        if state.params:
            saved[i] = state
    torch.set_rng_state(tensors["generator"])
