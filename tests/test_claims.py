"""What a comparison claims of experiments whose answer is known: nothing is pruned, or nothing is trained alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_cli.results.compare import Row, compare
from lth_cli.rundir.read import read
from tests.records import run

GOES_ON: dict[str, Any] = {"rewind": {"_target_": "lth_cli.rewind.LearningRate"}}


def accuracies(**arms: float) -> dict[tuple[int, str, int], float]:
    """Five seeds, of which each is a little better than the one before."""
    seeds = range(5)
    return {(int(arm != "dense"), arm, seed): mean + 0.001 * seed + 0.0001 * (seed % 2) * (arm != "dense")
            for arm, mean in arms.items() for seed in seeds}  # fmt: skip


def by_arm(rows: list[Row]) -> dict[str, Row]:
    return {row.arm: row for row in rows}


def test_more_training_is_no_winning_ticket() -> None:
    """Better than dense by four points, but the dense network is so too, when it is trained as long."""
    rows = by_arm(compare([run(accuracies(dense=0.90, winning=0.94, dense_retrained=0.94), **GOES_ON)]))
    assert (rows["winning"].verdict, rows["winning"].baseline) == ("matching", "dense_retrained")
    assert rows["winning"].difference == pytest.approx(0)
    assert (rows["dense_retrained"].verdict, rows["dense_retrained"].difference) == ("", pytest.approx(4.004))


def test_without_a_fair_rival_nothing_is_claimed() -> None:
    rows = by_arm(compare([run(accuracies(dense=0.90, winning=0.94), **GOES_ON)]))
    assert (rows["winning"].verdict, rows["winning"].baseline) == ("", "")


def test_where_tickets_start_anew_dense_is_the_rival() -> None:
    rows = by_arm(compare([run(accuracies(dense=0.90, winning=0.94, dense_retrained=0.94))]))
    assert (rows["winning"].verdict, rows["winning"].baseline) == ("winning", "dense")


def test_a_ticket_beats_each_of_its_controls_or_not() -> None:
    rows = by_arm(compare([run(accuracies(dense=0.9, winning=0.9, bad=0.8, same=0.9, better=0.95))]))
    assert [rows[arm].beats for arm in ("bad", "same", "better")] == ["beats", "does not beat", "does not beat"]
    assert (rows["winning"].controls_beaten, rows["winning"].controls) == (1, 3)


@pytest.mark.parametrize("rewind", ["learning_rate", "none"])
def test_where_nothing_is_pruned_nothing_is_won(rewind: str, finished: Callable[..., Path]) -> None:
    """The ticket is the dense network that was trained as often, to the last bit."""
    unpruned = ("sparsity=densities", "sparsity.densities=[1.0,1.0,1.0]", "controls=[]", "replicates=3")
    rows = compare([read(finished(f"rewind={rewind}", *unpruned))], every_round=True)
    tickets = [row for row in rows if row.arm == "winning"]
    assert [(row.baseline, row.difference) for row in tickets] == [("dense_retrained", 0.0)] * 3
    assert "winning" not in {row.verdict for row in tickets}


def test_the_cost_of_a_search_is_all_its_training() -> None:
    rows = {(0, "dense", 0): 0.9, (1, "winning", 0): 0.9, (2, "winning", 0): 0.9, (2, "random_mask", 0): 0.8,
            (1, "dense_retrained", 0): 0.9, (2, "dense_retrained", 0): 0.9}  # fmt: skip
    done = run(rows, record={"flops_per_example": 10}, train={"batch_size": 7})
    found = {(row.arm, row.round): row for row in compare([done], every_round=True)}
    assert {place: row.search_iterations for place, row in found.items()} == {
        ("dense", 0): 100, ("winning", 1): 200, ("winning", 2): 300, ("random_mask", 2): 300,
        ("dense_retrained", 1): 200, ("dense_retrained", 2): 300,
    }  # fmt: skip
    ticket = found["winning", 2]
    assert (ticket.search_examples, ticket.search_flops, ticket.search_seconds) == (2100, 3 * 10 * 2100, 3.0)


def test_early_stops_are_compared_seed_by_seed_and_bounds_stay_bounds() -> None:
    def rows(dense: tuple[int, int], winning: tuple[int, int]) -> Row:
        done = run({(0, "dense", 0): 0.9, (0, "dense", 1): 0.9, (1, "winning", 0): 0.9, (1, "winning", 1): 0.9})
        for row, stop in zip(done.history, (*dense, *winning), strict=True):
            row["early_stop_iteration"] = stop
        return by_arm(compare([done]))["winning"]

    def ratio(row: Row) -> tuple[float | None, str, bool]:
        return row.early_stop_ratio, row.early_stop_ratio_bound, row.early_stop_ratio_interval is not None

    assert ratio(rows((50, 80), (25, 80))) == (0.75, "", True)  # of the means it would be 0.81
    assert ratio(rows((50, 80), (25, 100))) == (0.875, "≥", False)
    assert ratio(rows((50, 100), (25, 80))) == (0.65, "≤", False)
    assert ratio(rows((50, 100), (100, 80))) == (None, "", False)
