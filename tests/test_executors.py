"""Executors give the same results; only who trains beside whom differs."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from lth_cli.core.faults import WorkerEnded
from lth_cli.training import executors
from lth_cli.training.curves import Diverged
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.executors import Executor, Traits, choose, processes, stacked
from lth_cli.training.hooks import Hooks
from lth_cli.training.jobs import Job
from lth_cli.training.networks import does_not_stack
from lth_cli.training.noise import Noise
from tests.tiny import CPU, SHAPE, conv, dropping, imp, job, mlp, normed, serial, trainer

OTHERS = [stacked, partial(processes, workers=2)]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("execute", OTHERS, ids=["stacked", "processes"])
@pytest.mark.parametrize("build", [mlp, conv, normed, dropping])
def test_executors_agree_row_by_row(build: Callable[[], nn.Module], execute: Executor, optimizer: str) -> None:
    """Two seeds, two rounds, three arms: weights, buffers, saved states, masks and curves, in every row."""
    recipe = {"optimizer": optimizer, "momentum": 0.9 if optimizer == "sgd" else 0.0, "seeds": (0, 1)}
    reference, other = (imp(build, execute=how, **recipe) for how in (executors.serial, execute))
    for alone, together in zip(reference, other, strict=True):
        assert [str(one.job) for one in together] == [str(one.job) for one in alone]
        for one, two in zip(alone, together, strict=True):
            for name, value in {**one.state.params, **one.state.buffers}.items():
                torch.testing.assert_close({**two.state.params, **two.state.buffers}[name], value, rtol=1e-3, atol=1e-4)
            assert (one.saved is None) == (two.saved is None)
            assert [point.iteration for point in two.curve] == [point.iteration for point in one.curve]
            for point, same in zip(one.curve, two.curve, strict=True):
                assert same.val_loss == pytest.approx(point.val_loss, rel=1e-3)
                assert same.test_accuracy == pytest.approx(point.test_accuracy, abs=0.04)


@pytest.mark.parametrize("execute", OTHERS, ids=["stacked", "processes"])
def test_every_executor_repeats_its_bits(execute: Executor) -> None:
    jobs = [job(dropping), replace(job(dropping), seed=1)]
    first, second = (serial(dropping, execute)(jobs) for _ in range(2))
    for one, two in zip(first, second, strict=True):
        assert one.curve == two.curve
        assert all(torch.equal(one.state.params[name], two.state.params[name]) for name in one.state.params)


def test_a_row_does_not_depend_on_the_rows_beside_it() -> None:
    jobs = [replace(job(dropping), seed=seed) for seed in range(3)]
    pair, three = serial(dropping, stacked)(jobs[:2]), serial(dropping, stacked)(jobs)
    assert pair[1].curve[-1].val_loss == pytest.approx(three[1].curve[-1].val_loss, rel=1e-4)


def test_dropout_keeps_the_fraction_it_should_and_differs_by_row_and_step() -> None:
    """Against torch's own dropout: the mean and the spread of what is kept."""
    x = torch.ones(200, 200)
    drawn = []
    for key in (5, 6, 5 + 2**40):
        with Noise(torch.tensor(key)):
            drawn += [nn.functional.dropout(x, 0.3) for _ in range(2)]
    for one in drawn:
        assert one.unique().tolist() == pytest.approx([0, 1 / 0.7])
        assert one.count_nonzero().item() / x.numel() == pytest.approx(0.7, abs=0.01)
        assert one.count_nonzero(0).float().std() == pytest.approx((200 * 0.21) ** 0.5, rel=0.25)
    for i, one in enumerate(drawn):
        for two in drawn[:i]:
            assert (one == two).float().mean().item() == pytest.approx(0.7**2 + 0.3**2, abs=0.02)


def test_other_layers_that_draw_are_refused_in_a_stack() -> None:
    def noisy() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.AlphaDropout())

    assert "random" in str(does_not_stack(noisy, SHAPE))
    assert [does_not_stack(build, SHAPE) for build in (mlp, conv, normed, dropping)] == [None] * 4
    with pytest.raises(RuntimeError, match="random"):
        serial(noisy, stacked)([job(noisy), replace(job(noisy), seed=1)])


def test_jobs_that_start_elsewhere_are_another_stack() -> None:
    late = job(iterations=12, schedule=8)
    fitted = serial(execute=stacked)([job(), late, replace(job(), seed=1)])
    assert [one.curve[-1].iteration for one in fitted] == [20, 20, 20]
    assert [len(one.curve) for one in fitted] == [5, 4, 5]
    assert fitted[1].curve[-1].val_loss == pytest.approx(serial()([late])[0].curve[-1].val_loss, rel=1e-4)


@pytest.mark.parametrize("execute", [executors.serial, *OTHERS], ids=["serial", "stacked", "processes"])
def test_progress_and_divergence_reach_the_caller(execute: Executor) -> None:
    told: list[tuple[str, int, bool]] = []

    def watch(job: Job, done: int, evaluation: Evaluation | None) -> None:
        told.append((str(job), done, evaluation is not None))

    jobs = [job(), replace(job(), seed=1)]
    execute(replace(trainer(), hooks=Hooks(watch)), jobs)
    for one in jobs:
        assert [(done, evaluated) for name, done, evaluated in told if name == str(one)] == [
            (5, True), (10, True), (15, True), (20, True)
        ]  # fmt: skip
    with pytest.raises(Diverged, match=r"try a lower train\.lr"):
        execute(trainer(optimizer="sgd", lr=1e20), jobs)


def test_a_killed_worker_is_named_and_the_others_end() -> None:
    def deadly() -> nn.Module:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return mlp()

    here = os.getpid()
    told = r"round 1, winning, seed [01]: its worker process ended early, signal 9; out of memory\?"
    with pytest.raises(WorkerEnded, match=told):
        processes(trainer(deadly), [job(), replace(job(), seed=1)], workers=2)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


class Local(Exception):
    """An error that cannot be pickled."""

    def __reduce__(self) -> str:
        raise TypeError("not to be pickled")


class Particular(Exception):
    """An error that is pickled, and cannot be made anew from what was."""

    def __init__(self, layer: str, weights: int) -> None:
        super().__init__(f"{layer} has {weights} weights")


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (Local("a word"), RuntimeError, "Local: a word"),
        (Particular("fc1", 3), RuntimeError, "Particular: fc1 has 3 weights"),
        (FileNotFoundError(2, "No such file", "x"), FileNotFoundError, "x"),
    ],
)
def test_an_error_in_a_worker_is_told_whatever_it_is(error: Exception, kind: type[Exception], text: str) -> None:
    here = os.getpid()

    def wrong() -> nn.Module:
        if os.getpid() != here:
            raise error
        return mlp()

    with pytest.raises(kind, match=text):
        processes(trainer(wrong), [job(), replace(job(), seed=1)], workers=2)


def test_the_choice() -> None:
    dense, conv, odd, streamed = (
        Traits(False, lambda: None, False),
        Traits(True, lambda: None, False),
        Traits(False, lambda: "vmap: no", False),
        Traits(False, lambda: None, True),
    )
    cuda = torch.device("cuda")
    assert [choose("auto", CPU, workers, kind)[0] for kind in (dense, conv) for workers in (1, 2)] == [
        "serial", "processes", "serial", "processes"
    ]  # fmt: skip
    assert [choose("auto", cuda, 2, kind)[0] for kind in (dense, conv, odd)] == ["stacked", "serial", "serial"]
    assert choose("auto", CPU, 2, streamed)[0] == "serial"
    assert choose("stacked", CPU, 1, dense)[0] == "stacked"
    for name, device, kind, words in (
        ("processes", cuda, dense, "need Linux and device=cpu"),
        ("processes", CPU, streamed, "worker processes of its own"),
        ("stacked", CPU, odd, "vmap: no"),
    ):
        with pytest.raises(ValueError, match=words):
            choose(name, device, 2, kind)
