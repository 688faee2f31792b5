"""`lth verify` finds learning curves from which evaluations were left out, so that history says what one likes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lth_cli.results.checks.verify import verify
from lth_cli.rundir.columns import FORMAT
from lth_cli.rundir.tables import header, lines, parse_table
from tests.command import Lth
from tests.interrupted import start
from tests.lies import believed, swap, wrong

Row = Mapping[str, Any]


def only(run: Path, wanted: Callable[[Row], bool]) -> None:
    """Leave out evaluations, and let history say what it is then."""
    curves = [row for row in parse_table((run / "curves.csv").read_text(), "curves.csv", FORMAT) if wanted(row)]
    history = parse_table((run / "history.csv").read_text(), "history.csv", FORMAT)

    def of(row: Row) -> list[Row]:
        return [one for one in curves if all(one[key] == row[key] for key in ("round", "arm", "seed"))]

    def early(row: Row) -> Row:
        return min((one for one in of(row) if one["train_loss"] is not None), key=lambda one: float(one["val_loss"]))

    for row in history:
        dense = early({"round": 0, "arm": "dense", "seed": row["seed"]})["val_loss"]
        row["early_stop_iteration"] = early(row)["iteration"]
        row["early_stop_test_accuracy"] = early(row)["test_accuracy"]
        row["reaches_dense_at"] = next((one["iteration"] for one in of(row) if one["val_loss"] <= dense), None)
    (run / "curves.csv").write_bytes(header("curves.csv") + lines("curves.csv", curves))
    (run / "history.csv").write_bytes(header("history.csv") + lines("history.csv", history))
    believed(run)


def resumed(run: Path, **more: object) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "resumed": [{"at": "now", "round": 2, **more}]}))
    believed(run)


def not_known(run: Path) -> list[str]:
    (curves,) = (check for check in verify(run) if check.name == "curves")
    return curves.not_known


def test_a_curve_without_its_start_is_found(run: Path) -> None:
    """With it, what it reached is anybody's claim. Of rounds that may be of an older version, it is not known."""
    only(run, lambda row: row["train_loss"] is not None)
    lost = "its curve does not begin where training starts"
    assert [line for line in wrong(run)["curves"] if line.startswith("round 1, winning, seed 0: ")] == [
        f"round 1, winning, seed 0: {lost}"
    ]
    resumed(run)
    assert {line[:7] for line in wrong(run)["curves"]} == {"round 2", "round 3"}
    assert not_known(run) == ["where trainings start: curves of older rounds do not say"]
    resumed(run, was={"format": 1})
    assert {line[:7] for line in wrong(run)["curves"]} == {"round 2", "round 3"}
    resumed(run, was={})
    assert {line[:7] for line in wrong(run)["curves"]} == {"round 0", "round 1", "round 2", "round 3"}


def test_evaluations_that_are_left_out_are_found_where_epochs_tell_nothing(tmp_path: Path) -> None:
    """The dense network keeps its last one, and an arm any others."""
    run = tmp_path / "run"
    start(run, "train.iterations=60it", "eval_every=1ep", "rounds=1")
    assert wrong(run) == {}
    assert not_known(run) == []
    several = {row["iteration"] for row in parse_table((run / "curves.csv").read_text(), "curves.csv", FORMAT)}
    middle = sorted(several)[1:-1]
    assert middle

    def wanted(row: Row) -> bool:
        return row["iteration"] not in middle or (row["arm"] == "winning" and row["iteration"] == middle[0])

    only(run, wanted)
    words = "round 1, winning, seed 0: its curve is not of 60 iterations, evaluated when config.yaml says"
    assert words in wrong(run)["curves"]
    assert not_known(run) == ["eval_every: config.yaml has it in epochs, whose length cannot be told"]


def test_evaluations_that_are_left_out_of_every_arm_are_found_where_epochs_are_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    start(run, "train.iterations=3ep", "eval_every=1ep", "rounds=1")
    assert wrong(run) == {}
    last = max(row["iteration"] for row in parse_table((run / "curves.csv").read_text(), "curves.csv", FORMAT))
    only(run, lambda row: row["iteration"] in (0, last))
    assert len(wrong(run)["curves"]) == 4
    assert not_known(run) == []


@pytest.mark.parametrize(
    "changes",
    [
        ("eval_every=1ep",),
        ("eval_every=0.5ep", "train.iterations=2ep", "rewind=late", "rounds=1"),
        ("eval_every=3it", "rewind=learning_rate", "rewind.fraction=0.5"),
        ("eval_every=1ep", "train.iterations=40it", "rewind=none", "rounds=1"),
        ("pruner=supermask", "rewind=late", "train.iterations=40it", "eval_every=1ep", "rounds=1"),
    ],
)
def test_curves_of_any_kind_are_in_order(changes: tuple[str, ...], tmp_path: Path) -> None:
    start(tmp_path / "run", *changes)
    assert wrong(tmp_path / "run") == {}


def test_a_curve_that_would_be_endless_costs_nothing(run: Path, limited: Lth) -> None:
    """Few rows say that a training took very long, and config.yaml that it was evaluated all the time."""
    for table, column in (("curves.csv", "iteration"), ("history.csv", "iterations")):
        *others, last = parse_table((run / table).read_text(), table, FORMAT)
        (run / table).write_bytes(header(table) + lines(table, [*others, {**last, column: 10**12}]))
    swap("config.yaml", "eval_every: 2it", "eval_every: 1it")(run)
    believed(run)
    done = limited("verify", str(run), cwd=run.parent)
    assert (done.returncode, done.stderr) == (1, "")
    assert "evaluated when config.yaml says" in done.stdout
