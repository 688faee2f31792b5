"""On CUDA: the captured step, the executors, and the command line. `make gpu` runs them; elsewhere they skip."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lth_cli.training.executors import serial, stacked
from lth_cli.training.hooks import Hooks
from lth_cli.training.jobs import Fitted
from lth_cli.training.profile import Profile
from lth_cli.training.trainer import Trainer, to_device
from tests.command import Lth, history, only_run
from tests.tiny import conv, dropping, job, mlp, normed, trainer

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
CUDA = torch.device("cuda")


def on_cuda(build: object, **recipe: object) -> Trainer:
    one = trainer(build, **recipe)  # type: ignore[arg-type]
    return replace(one, device=CUDA, data=to_device(one.data, CUDA))


def differences(one: Fitted | None, two: Fitted | None) -> float:
    assert one is not None
    assert two is not None
    return max(float((p - two.state.params[name]).abs().max()) for name, p in one.state.params.items())


@pytest.mark.parametrize("build", [mlp, conv, normed, dropping])
@pytest.mark.parametrize("recipe", [{}, {"optimizer": "sgd", "momentum": 0.9, "schedule": "cosine"}])
def test_the_captured_step_is_the_step(build: object, recipe: dict[str, object], tmp_path: Path) -> None:
    """A profile asks for the parts of a step, which is then not captured."""
    captured = on_cuda(build, **recipe)
    plain = replace(captured, hooks=Hooks(scope=Profile(CUDA, tmp_path)))
    jobs = [job(build, save_at=7)]  # type: ignore[arg-type]
    (one,), (two,) = captured.train(jobs), plain.train(jobs)
    assert differences(one, two) < 1e-5
    assert one is not None
    assert one.saved is not None
    for name, m in one.mask.items():
        assert not one.state.params[name][~m].any()


@pytest.mark.parametrize("build", [mlp, conv, normed, dropping])
def test_a_captured_training_is_the_same_twice(build: object) -> None:
    (one,), (two,) = (on_cuda(build).train([job(build)]) for _ in range(2))  # type: ignore[arg-type]
    assert differences(one, two) == 0.0


@pytest.mark.parametrize("build", [mlp, conv, normed, dropping])
def test_executors_agree_and_so_does_the_cpu(build: object) -> None:
    jobs = [replace(job(build), seed=seed) for seed in range(3)]  # type: ignore[arg-type]
    alone, together, cpu = serial(on_cuda(build), jobs), stacked(on_cuda(build), jobs), serial(trainer(build), jobs)  # type: ignore[arg-type]
    for one, two, three in zip(alone, together, cpu, strict=True):
        assert differences(one, two) < 1e-3
        assert differences(one, three) < 1e-2


def test_a_run_on_the_command_line(lth: Lth, tmp_path: Path) -> None:
    done = lth("run", "device=cuda", "rounds=2", "train.iterations=2ep", "controls_at=all")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(history(only_run(tmp_path))) == 1 + 2 * 3
    assert lth("verify", "outputs").returncode == 0
