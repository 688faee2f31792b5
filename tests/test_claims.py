"""What a comparison claims of experiments whose answer is known: nothing is pruned, or nothing is trained alike."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_cli.report.columns import COMPARE, verdict
from lth_cli.report.formats import latex, markdown
from lth_cli.report.legend import legend
from lth_cli.report.table import fitting
from lth_cli.results.compare import Row, compare
from lth_cli.results.experiment import every
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
    assert (rows["winning"].verdict, rows["winning"].rivals) == ("matching", "dense+dense_retrained")
    assert any("against dense and dense_retrained" in line for line in legend(list(rows.values()), []))
    assert rows["winning"].difference == pytest.approx(4.004)
    assert rows["winning"].retrained_difference == pytest.approx(0)
    assert (rows["dense_retrained"].verdict, rows["dense_retrained"].difference) == ("", pytest.approx(4.004))


def test_a_dense_network_that_more_training_has_ruined_is_easily_beaten_and_that_is_no_win() -> None:
    rows = by_arm(compare([run(accuracies(dense=0.95, winning=0.90, dense_retrained=0.30), **GOES_ON)]))
    assert (rows["winning"].verdict, rows["winning"].retrained_difference) == ("below", pytest.approx(60))


def test_what_started_from_fresh_weights_is_no_fair_control_of_what_went_on() -> None:
    controls = {"fresh": {"_target_": "lth_cli.controls.Reinit"}, "moved": {"_target_": "lth_cli.controls.RandomMask"}}
    made = accuracies(dense=0.9, winning=0.94, dense_retrained=0.94, fresh=0.8, moved=0.8)
    rows = by_arm(compare([run(made, **GOES_ON, controls=controls)]))
    assert [rows[arm].beats for arm in ("fresh", "moved")] == ["less trained", "beats"]
    assert (rows["winning"].controls_beaten, rows["winning"].controls) == (1, 1)
    anew = by_arm(compare([run(made, controls=controls)]))
    assert [anew[arm].beats for arm in ("fresh", "moved")] == ["beats", "beats"]


def test_seeds_that_diverged_are_counted() -> None:
    made = {place: value for place, value in accuracies(dense=0.9, winning=0.9, a=0.8).items() if place != (1, "a", 3)}
    lost = [{"round": 1, "arm": "a", "seed": 3, "what": "a loss"}]
    done = run(made, record={"diverged": lost})
    rows = by_arm(compare([done]))
    assert [(rows[arm].seeds, rows[arm].diverged) for arm in ("dense", "winning", "a")] == [(5, 0), (5, 0), (4, 1)]
    for text in (markdown(compare([done])), latex(compare([done]))):
        assert "4 of 5" in text
    assert any("Seeds that diverged" in line for line in legend(compare([done]), COMPARE))


def test_beside_a_control_stands_the_ticket_of_its_round() -> None:
    """Whose difference it is; and the round is shown, however narrow the terminal."""
    made = accuracies(dense=0.9, winning=0.9, a=0.8) | {(2, "winning", seed): 0.7 for seed in range(5)}
    rows = compare([run(made)])
    assert [(row.arm, row.round) for row in rows] == [("dense", 0), ("winning", 1), ("a", 1), ("winning", 2)]
    assert "round" in [column.title for column in fitting(rows, 20)]


def test_where_a_rival_lacks_a_seed_the_verdict_says_so() -> None:
    made = accuracies(dense=0.9, winning=0.94, dense_retrained=0.94)
    del made[1, "dense_retrained", 2]
    row = by_arm(compare([run(made, **GOES_ON)]))["winning"]
    assert (row.seeds, row.verdict_seeds) == (5, 4)
    assert "by 4 seeds" in verdict(row)


def test_without_a_fair_rival_nothing_is_claimed() -> None:
    rows = by_arm(compare([run(accuracies(dense=0.90, winning=0.94), **GOES_ON)]))
    assert (rows["winning"].verdict, rows["winning"].retrained_difference) == ("", None)


def test_where_tickets_start_anew_dense_is_the_rival() -> None:
    rows = by_arm(compare([run(accuracies(dense=0.90, winning=0.94, dense_retrained=0.94))]))
    assert (rows["winning"].verdict, rows["winning"].rivals) == ("winning", "dense")
    assert not any("dense_retrained" in line for line in legend(list(rows.values()), []))


def test_a_ticket_beats_each_of_its_controls_or_not() -> None:
    rows = by_arm(compare([run(accuracies(dense=0.9, winning=0.9, bad=0.8, same=0.9, better=0.95))]))
    assert [rows[arm].beats for arm in ("bad", "same", "better")] == ["beats", "does not beat", "does not beat"]
    assert (rows["winning"].controls_beaten, rows["winning"].controls) == (1, 3)


@pytest.mark.parametrize("rewind", ["learning_rate", "none"])
def test_where_nothing_is_pruned_nothing_is_won(rewind: str, finished: Callable[..., Path]) -> None:
    """The ticket is the dense network that was trained as often, to the last bit."""
    unpruned = ("sparsity=densities", "sparsity.densities=[1.0,1.0,1.0]", "controls=[]", "replicates=3")
    rows = compare([read(finished(f"rewind={rewind}", *unpruned))], rounds=every)
    tickets = [row for row in rows if row.arm == "winning"]
    assert [row.retrained_difference for row in tickets] == [0.0] * 3
    assert "winning" not in {row.verdict for row in tickets}


def test_the_cost_of_a_search_is_all_its_training() -> None:
    rows = {(0, "dense", 0): 0.9, (1, "winning", 0): 0.9, (2, "winning", 0): 0.9, (2, "random_mask", 0): 0.8,
            (1, "dense_retrained", 0): 0.9, (2, "dense_retrained", 0): 0.9}  # fmt: skip
    done = run(rows, record={"flops_per_example": 10}, train={"batch_size": 7})
    found = {(row.arm, row.round): row for row in compare([done], rounds=every)}
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
        ratio = None if row.early_stop_ratio is None else round(row.early_stop_ratio, 6)
        return ratio, row.early_stop_ratio_bound, row.early_stop_ratio_low is not None

    assert ratio(rows((50, 80), (25, 80))) == (0.707107, "", True)
    assert ratio(rows((20, 80), (80, 20))) == (1.0, "", True)  # the mean of the ratios would be 2.1
    assert ratio(rows((50, 80), (25, 100))) == (0.790569, "≥", False)
    assert ratio(rows((50, 100), (25, 80))) == (0.632456, "≤", False)
    assert ratio(rows((50, 100), (100, 80))) == (None, "", False)


@pytest.mark.parametrize("odd", ["x", [1], {}, True, 10**400, -1, None])
def test_a_number_of_things_that_cannot_be_is_not_known(odd: object) -> None:
    record = {"test_examples": odd, "flops_per_example": odd}
    for train in ({"batch_size": odd}, odd):
        rows = compare([run(accuracies(dense=0.9, winning=0.9), record=record, train=train)])
        assert [(row.sampling_error, row.search_flops, row.search_examples) for row in rows] == [(None, None, None)] * 2
