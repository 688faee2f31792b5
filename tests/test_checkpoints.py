"""A training that is stopped between two steps goes on as if it had not been."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from lth_cli.rundir.checkpoints import Checkpoints
from lth_cli.training.curves import Curves, Diverged
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.hooks import Hooks
from lth_cli.training.jobs import Fitted, Job
from tests.stopping import StopAt, Stopped, noisy, same, stopped_and_resumed
from tests.tiny import conv, dropping, job, mlp, normed, trainer


@pytest.mark.parametrize("at", [3, 5, 12, 13])
@pytest.mark.parametrize("build", [mlp, conv, normed, dropping, noisy])
def test_going_on_gives_the_same_bits(tmp_path: Path, build: Callable[[], nn.Module], at: int) -> None:
    """In the middle of an epoch, at its end, at an evaluation; with momentum, norms and layers that draw."""
    for i, recipe in enumerate(({}, {"optimizer": "sgd", "momentum": 0.9, "schedule": "cosine"})):
        jobs = [job(build, save_at=7)]
        (whole,) = trainer(build, **recipe).train(jobs)
        (again,) = stopped_and_resumed(tmp_path / str(i), build, jobs, at, **recipe)
        assert same(whole, again)


def test_a_stack_goes_on_too(tmp_path: Path) -> None:
    jobs = [job(dropping), replace(job(dropping), seed=1)]
    whole = trainer(dropping).train(jobs)
    again = stopped_and_resumed(tmp_path, dropping, jobs, 8)
    assert all(same(one, two) for one, two in zip(whole, again, strict=True))


@pytest.mark.parametrize("what", ["flipped", "cut", "other start", "other mask", "no progress"])
def test_what_is_damaged_or_of_another_job_is_passed_over(tmp_path: Path, what: str) -> None:
    one = job()
    with pytest.raises(Stopped):
        replace(trainer(), hooks=Hooks(checkpoints=StopAt(tmp_path, 8, None))).train([one])
    assert Checkpoints(tmp_path, None, None).load([one]) is not None
    (file,) = (tmp_path / "partial").iterdir()
    data = file.read_bytes()
    if what == "flipped":
        file.write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    elif what == "cut":
        file.write_bytes(data[:-5])
    elif what == "no progress":
        file.write_bytes(safetensors.torch.save({"step/0": torch.zeros(2)}))
    elif what == "other start":
        one = replace(one, start=replace(one.start, schedule=1))
    else:
        one = replace(one, mask={name: torch.ones_like(m) for name, m in one.mask.items()})
    assert Checkpoints(tmp_path, None, None).load([one]) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"done": 10**9}, {"done": "x"}, {"since": "x"}, {"since": 10**400}, {"since": 4}, {"seconds": 1e308},
        {"seconds": "x"}, {"diverged": ["x"]}, {"diverged": [5]}, {"diverged": 5}, {"curves": []},
        {"done": 20, "curves": [[]]}, {"step/0": torch.ones(3)}, {"step/1": None}, {"generator": torch.ones(3)},
        {"generator": None}, {"saved/0/params/fc1.weight": torch.ones(2)},
    ],
)  # fmt: skip
def test_a_checkpoint_that_cannot_be_is_passed_over(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Under hashes that believe in it, as whoever writes one would leave them."""
    jobs = [job(save_at=3)]
    (whole,) = trainer().train(jobs)
    with pytest.raises(Stopped):
        replace(trainer(), hooks=Hooks(checkpoints=StopAt(tmp_path, 8, None))).train(jobs)
    checkpoints = Checkpoints(tmp_path, None, None)
    before = checkpoints.load(jobs)
    assert before is not None
    tensors = {name: changes.get(name, tensor) for name, tensor in before.tensors.items()}
    plain = {key: value for key, value in changes.items() if key in before.__dict__}
    there = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    checkpoints.save(jobs, replace(before, **plain, tensors=there))
    assert checkpoints.load(jobs) is not None
    (again,) = replace(trainer(), hooks=Hooks(checkpoints=checkpoints)).train(jobs)
    assert same(whole, again)


def _change(point: Evaluation, name: str, value: object) -> Evaluation:
    """A point as a file gives it, with another value in one of its columns."""
    return Evaluation.from_flat({**point.flat(), name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("iteration", 0), ("iteration", 4), ("iteration", 10**9), ("iteration", 5.0), ("iteration", True),
        ("train_loss", 10**400), ("train_loss", 1e300), ("train_loss", -5.0), ("train_loss", None),
        ("train_loss", "x"), ("train_loss", math.nan), ("val_loss", None), ("val_loss", -5.0), ("val_loss", math.inf),
        ("test_loss", True), ("val_accuracy", 1.5), ("test_accuracy", -0.1), ("test_accuracy", None), (None, None),
    ],
    ids=lambda value: str(value)[:12],
)  # fmt: skip
def test_a_checkpoint_whose_curve_cannot_be_is_passed_over(tmp_path: Path, name: str | None, value: object) -> None:
    """As one value is absurd, or the point is not there at all; also where the training was at its end."""
    whole = trainer().train([job()])
    for at in (8, 20):
        with pytest.raises(Stopped):
            replace(trainer(), hooks=Hooks(checkpoints=StopAt(tmp_path, at, None))).train([job()])
        checkpoints = Checkpoints(tmp_path, None, None)
        before = checkpoints.load([job()])
        assert before is not None
        first, *rest = before.curves[0]
        changed = [_change(first, name, value), *rest] if name is not None else rest
        checkpoints.save([job()], replace(before, curves=[changed]))
        assert checkpoints.load([job()]) is not None
        (again,) = replace(trainer(), hooks=Hooks(checkpoints=checkpoints)).train([job()])
        assert same(whole[0], again)


def test_what_diverged_is_left_out_again_or_stops_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = Curves.add

    def add(self: Curves, row: int, point: Evaluation) -> None:
        added(self, row, replace(point, val={**point.val, "loss": math.nan}) if self.jobs[row].seed == 1 else point)

    monkeypatch.setattr(Curves, "add", add)
    jobs = [replace(job(), seed=seed) for seed in range(3)]
    told: list[Job] = []

    def train(checkpoints: Checkpoints | None, skip: bool = True) -> list[Fitted | None]:
        hooks = Hooks(diverged=(lambda one, what: told.append(one)) if skip else None, checkpoints=checkpoints)
        return replace(trainer(), hooks=hooks).train(jobs)

    whole = train(None)
    assert [one is None for one in whole] == [False, True, False]
    with pytest.raises(Stopped):
        train(StopAt(tmp_path, 8, None))
    again = train(Checkpoints(tmp_path, None, None))
    assert len(told) == 2
    assert all(same(one, two) for one, two in zip(whole, again, strict=True))
    with pytest.raises(Diverged):
        train(Checkpoints(tmp_path, None, None), skip=False)


def test_when_a_checkpoint_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("lth_cli.rundir.checkpoints.time.monotonic", lambda: now)
    jobs = [job(iterations=50)]
    often, seldom = Checkpoints(tmp_path, 20, None), Checkpoints(tmp_path, None, 600)
    now = 700.0  # an earlier training's, which must not count
    for one in (often, seldom):
        assert one.load(jobs) is None
    assert [done for done in range(1, 51) if often.due(jobs, done)] == [20, 40, 50]
    assert not any(seldom.due(jobs, done) for done in range(1, 51))
    now = 731.0  # what took half a minute is kept when it ends: its round may go on for hours
    assert [done for done in range(1, 51) if seldom.due(jobs, done)] == [50]
    now = 1300.0
    assert seldom.due(jobs, 3)
