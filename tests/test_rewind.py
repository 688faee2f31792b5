from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_cli.core.lengths import iterations
from lth_cli.core.state import State
from lth_cli.rewind import Early, FineTune, Late, LearningRate, Rewind
from tests.command import Lth

SAVED, TRAINED = State({"w": torch.zeros(2)}, {}), State({"w": torch.ones(2)}, {})


def start(rewind: Rewind, total: int = 100, per_epoch: int = 10) -> tuple[State, int, int, int]:
    at = rewind.saved_at(total, per_epoch)
    begun = rewind.restart(SAVED, TRAINED, at, total)
    return begun.state, begun.schedule, begun.order, begun.iterations


def test_each_strategy_restores_its_triple() -> None:
    assert start(Early("0it")) == (SAVED, 0, 0, 100)
    assert start(Early("7it")) == (SAVED, 7, 7, 93)
    assert start(Early(7)) == (SAVED, 7, 7, 93)
    assert start(Early("2ep")) == (SAVED, 20, 20, 80)
    assert start(Late(0.25)) == (SAVED, 25, 25, 75)
    assert start(LearningRate()) == (TRAINED, 0, 0, 100)
    assert start(LearningRate(0.75)) == (TRAINED, 75, 75, 25)
    assert start(FineTune()) == (TRAINED, 100, 0, 100)
    assert FineTune(0.01).restart(SAVED, TRAINED, 0, 100).lr == 0.01


@given(st.integers(1, 10_000), st.floats(0, 0.999999))
def test_rewinding_to_a_fraction_leaves_something_to_train(total: int, fraction: float) -> None:
    _, schedule, order, left = start(Late(fraction), total)
    assert schedule == order
    assert schedule + left == total
    assert left >= 1


@given(st.integers(0, 200))
def test_rewinding_past_the_end_is_refused(k: int) -> None:
    if k < 100:
        assert Early(k).saved_at(100, 10) == k
    else:
        with pytest.raises(ValueError, match="not before the end of training, 100 iterations"):
            Early(k).saved_at(100, 10)


@pytest.mark.parametrize("bad", [1.0, -0.1, float("nan"), True])
def test_a_fraction_of_training_is_below_one(bad: float) -> None:
    with pytest.raises(ValueError, match="a fraction of training"):
        Late(bad)
    with pytest.raises(ValueError, match="a fraction of training"):
        LearningRate(bad)


@pytest.mark.parametrize("make", [partial(Early, 0), partial(Late, 0.5), LearningRate, FineTune])
def test_an_optimizer_is_restored_or_fresh(make: Callable[..., Rewind]) -> None:
    assert make(optimizer="fresh").moments is None  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="optimizer=new: restored or fresh"):
        make(optimizer="new")


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), True, "0.1"])
def test_a_rate_of_fine_tuning_is_above_0(bad: object) -> None:
    with pytest.raises(ValueError, match="a learning rate above 0"):
        FineTune(bad)  # type: ignore[arg-type]


COSINE = ("run", "rounds=1", "controls=[]", "train.iterations=20it", "train.schedule=cosine")


def test_a_rate_at_which_nothing_is_learned_is_refused_and_another_is_used(lth: Lth, tmp_path: Path) -> None:
    done = lth(*COSINE, "rewind=none")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "rewind.lr=null: tickets would train at a rate of at most" in done.stderr
    assert done.stderr.endswith("under 1% of train.lr=0.0012: too little to change anything; try rewind.lr=0.00012\n")
    assert not (tmp_path / "outputs").exists()
    assert lth(*COSINE, "rewind=none", "rewind.lr=5e-5").returncode == 0
    assert lth(*COSINE, "rewind=late", "rewind.fraction=0.99").returncode == 2
    dropping = ("train.schedule=step", "train.milestones=[0.5,0.75]")  # to 1% of the peak, which is enough
    assert lth(*COSINE, *dropping, "rewind=none").returncode == 0


@pytest.mark.parametrize(("text", "expected"), [("500it", 500), ("2ep", 42), ("0.5ep", 10), ("0it", 0)])
def test_lengths_carry_their_unit(text: str, expected: int) -> None:
    assert iterations(text, per_epoch=21) == expected


@pytest.mark.parametrize("bad", ["", "500", "it", "1.5it", "-1ep", "2 ep", "2epochs", "nanep", "1e3it"])
def test_a_length_without_its_unit_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="500it"):
        iterations(bad, per_epoch=21)
