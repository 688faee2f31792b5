"""The dense network that is trained as often as its tickets: their rival, where they go on from trained weights."""

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.restore import read_state
from lth_cli.training.curves import Curves
from lth_cli.training.evaluate import Evaluation
from tests.command import Lth, history
from tests.configs import compose
from tests.interrupted import cut_after, results, start
from tests.lies import believed, copy, without

UNPRUNED = ("sparsity=densities", "sparsity.densities=[1.0,1.0,1.0]", "controls=[]")


def arms(run: Path) -> list[tuple[int, str]]:
    return [(int(row["round"]), row["arm"]) for row in history(run)]


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ((), False),
        (("rewind=late",), False),
        (("rewind=learning_rate",), True),
        (("rewind=none",), True),
        (("rewind=none", "dense_retrained=false"), False),
        (("rewind=late", "dense_retrained=true"), True),
        (("rewind=none", "ticket=a.safetensors"), False),
        (("rewind=none", "pruner=supermask"), False),
    ],
)
def test_it_is_there_where_tickets_go_on_from_trained_weights(typed: tuple[str, ...], there: bool) -> None:
    assert compose(*typed).dense_retrained is there


@pytest.mark.parametrize("rewind", ["init", "late", "learning_rate", "none"])
def test_where_nothing_is_pruned_it_is_the_ticket(rewind: str, finished: Callable[..., Path]) -> None:
    """Bit for bit, in each round: it restarts where the ticket does, and its data come in the same order."""
    run = finished(f"rewind={rewind}", "dense_retrained=true", *UNPRUNED)
    assert arms(run) == [(0, DENSE), *((round, arm) for round in (1, 2, 3) for arm in (WINNING, DENSE_RETRAINED))]
    for round in (1, 2, 3):
        ours, ticket = (
            read_state(run, f"rounds/0{round}/{arm}_seed0.safetensors") for arm in (DENSE_RETRAINED, WINNING)
        )
        assert all(torch.equal(ours[1].params[name], p) for name, p in ticket[1].params.items())
    assert not any(check.wrong for check in verify(run))


def test_it_is_trained_in_each_round_and_never_pruned(finished: Callable[..., Path]) -> None:
    run = finished("rewind=learning_rate", "controls_at=last")
    rows = [row for row in history(run) if row["arm"] == DENSE_RETRAINED]
    assert [row["round"] for row in rows] == ["1", "2", "3"]
    assert {row["density"] for row in rows} == {"1.0"}
    assert [check.wrong for check in verify(run) if check.wrong] == []


def test_it_is_restored_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: Callable[..., Path]
) -> None:
    cut_after(tmp_path, 2, monkeypatch, "rewind=learning_rate")
    start(tmp_path, "rewind=learning_rate", resume=True)
    assert results(tmp_path) == results(finished("rewind=learning_rate"))


def test_one_that_diverged_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("rewind=learning_rate", "replicates=2", "on_divergence=skip", "executor=serial", "controls=[]")
    add, rounds = Curves.add, []

    def failing(self: Curves, row: int, point: Evaluation) -> None:
        job = self.jobs[row]
        if job.arm == DENSE_RETRAINED and job.seed == 1:
            rounds.append(job.round)
            point = replace(point, train_loss=math.nan)
        add(self, row, point)

    monkeypatch.setattr(Curves, "add", failing)
    start(tmp_path, *options)
    assert rounds == [1]
    assert [check.wrong for check in verify(tmp_path) if check.wrong] == []


def test_one_that_is_left_out_or_pruned_is_missed(tmp_path: Path, finished: Callable[..., Path]) -> None:
    run = shutil.copytree(finished("rewind=learning_rate"), tmp_path / "run")
    without(DENSE_RETRAINED, "history.csv", "layers.csv", "curves.csv")(run)
    believed(run)
    missed = "round 2, dense_retrained, seed 0: config.yaml asks for it, but it is not in history"
    assert missed in next(check.wrong for check in verify(run) if check.name == "arms")
    pruned = shutil.copytree(finished("rewind=learning_rate"), tmp_path / "pruned")
    copy("rounds/01/winning_seed0.safetensors", "rounds/01/dense_retrained_seed0.safetensors")(pruned)
    believed(pruned)
    wrong = next(check.wrong for check in verify(pruned) if check.name == "controls")
    assert "round 1, dense_retrained, seed 0: it is pruned" in wrong


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("pruner=edge_popup", "pruner.at=rewind"), "dense_retrained=true: beside a learned mask nothing is trained"),
        (("ticket=no",), "dense_retrained=True: beside a ticket that is given, false"),
        (("controls=[]", "+controls.dense_retrained=1"), "controls.dense_retrained: a name of letters"),
    ],
)
def test_where_it_cannot_be_it_is_refused(typed: tuple[str, ...], said: str, lth: Lth, tmp_path: Path) -> None:
    done = lth("run", "dense_retrained=true", *typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (tmp_path / "outputs").exists()
