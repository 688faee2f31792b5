"""A training that is stopped after a checkpoint, and what must be the same when it has gone on."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from lth_cli.rundir.checkpoints import Checkpoints
from lth_cli.training.hooks import Hooks
from lth_cli.training.jobs import Fitted, Job
from lth_cli.training.progress import Progress
from tests.tiny import trainer


class Stopped(Exception):
    """The moment a training is stopped."""


class StopAt(Checkpoints):
    """Stops after its first checkpoint."""

    def save(self, jobs: Sequence[Job], progress: Progress) -> None:
        super().save(jobs, progress)
        raise Stopped


def noisy() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.RReLU(), nn.Linear(8, 3))


def stopped_and_resumed(
    folder: Path, build: Callable[[], nn.Module], jobs: Sequence[Job], at: int, **recipe: object
) -> list[Fitted | None]:
    folder.mkdir(exist_ok=True)
    one = trainer(build, **recipe)
    with pytest.raises(Stopped):
        replace(one, hooks=Hooks(checkpoints=StopAt(folder, at, None))).train(jobs)
    return replace(one, hooks=Hooks(checkpoints=Checkpoints(folder, None, None))).train(jobs)


def same(one: Fitted | None, two: Fitted | None) -> bool:
    if one is None or two is None:
        return one is two
    states = [(one.state, two.state), *([(one.saved, two.saved)] if one.saved and two.saved else [])]
    tensors = [({**s.params, **s.buffers}, {**t.params, **t.buffers}) for s, t in states]
    equal = all(a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) for a, b in tensors)
    return equal and one.curve == two.curve and (one.saved is None) == (two.saved is None)
