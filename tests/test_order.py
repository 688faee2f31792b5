"""The order of the examples over rounds: each its own, or all that of the dense network."""

from pathlib import Path

import pytest
import torch

from lth_cli.rundir import names
from lth_cli.rundir.restore import read_state
from tests.command import Lth, history
from tests.interrupted import cut_after, results, start

UNPRUNED = ("rounds=2", "sparsity=densities", "sparsity.densities=[1.0,1.0]", "controls=[]", "train.iterations=40it")
DROPPING = "model._target_=tests.nets.dropping"


def same_weights(path: Path, round: int) -> bool:
    """Whether the ticket of a round ends as the dense network did."""
    dense, ticket = (read_state(path, names.state(key))[1] for key in ((0, "dense", 0), (round, "winning", 0)))
    return all(torch.equal(dense.params[name], p) for name, p in ticket.params.items())


@pytest.mark.parametrize("model", ["model.hidden=[8]", DROPPING])
def test_under_one_order_a_ticket_that_prunes_nothing_is_dense(model: str, tmp_path: Path) -> None:
    """To the bit, dropout and batch norm included."""
    start(tmp_path / "fixed", *UNPRUNED, model, "order=fixed")
    assert [same_weights(tmp_path / "fixed", round) for round in (1, 2)] == [True, True]
    assert len({row["test_loss"] for row in history(tmp_path / "fixed")}) == 1
    start(tmp_path / "own", *UNPRUNED, model)
    assert [same_weights(tmp_path / "own", round) for round in (1, 2)] == [False, False]
    assert len({row["test_loss"] for row in history(tmp_path / "own")}) == 3


def test_under_one_order_an_epoch_it_is_rewound_into_is_finished(tmp_path: Path) -> None:
    """An epoch has more than ten iterations; without momentum weights and place are all it takes to repeat dense."""
    early = ("rewind=early", "rewind.iteration=10it", "train=sgd", "train.momentum=0", "train.lr=0.01")
    start(tmp_path / "run", *UNPRUNED, *early, "order=fixed")
    assert [same_weights(tmp_path / "run", round) for round in (1, 2)] == [True, True]


@pytest.mark.parametrize("executor", ["serial", "stacked", "processes"])
@pytest.mark.parametrize("train", [("train=adam",), ("train=sgd", "train.lr=0.01", "train.schedule=cosine")])
def test_with_its_optimizer_restored_a_ticket_repeats_dense_from_any_iteration(
    train: tuple[str, ...], executor: str, tmp_path: Path
) -> None:
    """To the bit, moments and the number of Adam's steps included; and not with a fresh one."""
    early = ("rewind=early", "rewind.iteration=10it", *train, "order=fixed", f"executor={executor}", "replicates=2")
    start(tmp_path / "restored", *UNPRUNED, *early)
    assert [same_weights(tmp_path / "restored", round) for round in (1, 2)] == [True, True]
    start(tmp_path / "fresh", *UNPRUNED, *early, "rewind.optimizer=fresh")
    assert [same_weights(tmp_path / "fresh", round) for round in (1, 2)] == [False, False]


@pytest.mark.parametrize("rewind", ["learning_rate", "none", "late"])
def test_restored_moments_survive_and_never_revive_a_weight(
    rewind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lth: Lth
) -> None:
    changes = (f"rewind={rewind}", "controls=[random_mask,random_reinit]")
    start(tmp_path / "whole", *changes)
    cut_after(tmp_path / "cut", 2, monkeypatch, *changes)
    start(tmp_path / "cut", *changes, resume=True)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
    assert lth("verify", str(tmp_path / "whole")).returncode == 0
    start(tmp_path / "fresh", *changes, "rewind.optimizer=fresh")
    assert results(tmp_path / "fresh")["history"] != results(tmp_path / "whole")["history"]


def test_it_goes_on_with_the_same_bits_and_no_other_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lth: Lth
) -> None:
    start(tmp_path / "whole", "order=fixed")
    cut_after(tmp_path / "cut", 2, monkeypatch, "order=fixed")
    refused = lth("run", f"resume={tmp_path / 'cut'}", "order=per_round")
    assert (refused.returncode, "order (was fixed, not per_round)" in refused.stderr) == (2, True)
    start(tmp_path / "cut", "order=fixed", resume=True)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")


def test_a_run_from_before_there_was_a_choice_has_an_order_of_each_round(lth: Lth, run: Path) -> None:
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("order: per_round\n", ""))
    refused = lth("run", f"resume={run}", "order=fixed")
    assert (refused.returncode, "order (was per_round, not fixed)" in refused.stderr) == (2, True)
