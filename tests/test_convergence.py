"""Which arms had not converged when their training ended, said in one line at the end of a run."""

from dataclasses import replace

import pytest

from lth_cli.core.state import Start
from lth_cli.training.convergence import curves, unconverged
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Fitted
from tests.command import Lth
from tests.tiny import job


def fitted(arm: str, *losses: float, seed: int = 0, first: int = 0) -> Fitted:
    """Evaluated every tenth of a training of 100 iterations."""
    one = replace(job(), arm=arm, seed=seed)
    start = Start(one.start.state, first, first, 10 * (len(losses) - 1))
    one = replace(one, start=start)
    curve = [Evaluation(first + 10 * i, 0.0, {"loss": loss}, {}) for i, loss in enumerate(losses)]
    return Fitted(one, one.mask, one.start.state, None, curve, 1.0, 1)


FLAT = (2.0, 1.5, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.5, 0.5)
FALLING = (2.0, 1.5, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.45, 0.4)
STILL = "not converged, as validation loss still fell in the last fifth of training: "


def said(*one_round: Fitted) -> list[str]:
    return list(unconverged([curves([fitted("dense", *FLAT)]), curves(one_round)]))


def test_an_arm_whose_loss_still_falls_has_not_converged() -> None:
    assert said(fitted("a", *FLAT), fitted("b", *FALLING, first=50)) == [f"{STILL}b by 20%"]


def test_it_is_the_mean_over_seeds() -> None:
    both = [fitted("a", *FLAT), fitted("a", *FALLING, seed=1)]
    assert said(*both) == []
    assert said(*both, fitted("a", *FALLING, seed=2)) == [f"{STILL}a by 13%"]


def test_of_each_arm_it_is_the_last_round() -> None:
    rounds = [fitted("dense", *FLAT)], [fitted("a", *FALLING)], [fitted("a", *FLAT)]
    assert list(unconverged([*map(curves, rounds)])) == []


def test_what_is_not_trained_has_not_failed_to() -> None:
    assert said(fitted("a", 2.0)) == []


def test_a_network_at_chance_has_learnt_nothing_however_flat_its_loss() -> None:
    (line,) = said(fitted("a", *(2.0,) * 10, 1.99), fitted("b", *FLAT), fitted("c", *(1.0,) * 11))
    assert line == "learnt nothing, as validation loss is no lower than before training: a"


@pytest.mark.parametrize(("losses", "is_known"), [((2.0, 1.0), False), ((2.0, 1.0, 0.9), False), (FLAT[::2], True)])
def test_too_few_evaluations_tell_nothing(losses: tuple[float, ...], is_known: bool) -> None:
    found = said(fitted("a", *losses))
    assert [line.startswith("it is not known whether these converged") for line in found] == [True] * (not is_known)


def test_a_run_says_so_in_a_line_of_dense_and_the_last_round(lth: Lth) -> None:
    options = ("rounds=2", "sparsity.target=0.5", "controls=[random_mask]", "eval_every=1ep")
    short = lth("run", *options, "train.iterations=5ep", "train.lr=1e-4").stdout
    (line,) = [line for line in short.splitlines() if line.startswith("not converged")]
    assert "dense by " in line
    long = lth("run", *options, "train.iterations=40ep", "train.lr=2e-3", "model.hidden=[30]").stdout
    assert "not converged" not in long
