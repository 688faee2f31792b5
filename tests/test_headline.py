"""An experiment in a few figures; experiments side by side, at equal cost, and against a baseline."""

import json
from typing import Any

import pytest

from lth_cli.report.headlines import line
from lth_cli.results.budget import Budget
from lth_cli.results.compare import Row, compare, rows_of
from lth_cli.results.experiment import Experiment, gathered
from lth_cli.results.headline import Headline, headline
from lth_cli.results.selection import baseline_of, check_keys, side_by_side
from lth_cli.rundir.read import Run
from tests.command import Lth
from tests.records import run

SEEDS = range(5)
INIT, LATE = ({"_target_": f"lth_cli.rewind.{name}"} for name in ("Early", "Late"))


def made(rounds: dict[int, float], control: dict[int, float], seeds: range = SEEDS, **config: Any) -> Run:
    """A dense network of 90%, its ticket and control per round; seeds differ by up to a tenth of a point."""
    arms: dict[tuple[int, str], float] = {(0, "dense"): 0.9}
    arms |= {(k, "winning"): value for k, value in rounds.items()}
    arms |= {(k, "random_reinit"): value for k, value in control.items()}
    wiggle = {"dense": 0.0, "winning": 0.0005, "random_reinit": 0.001}
    found = {(k, arm, seed): value + wiggle[arm] * (-1) ** seed for (k, arm), value in arms.items() for seed in seeds}
    return run(found, **config)


def of(one: Run) -> Headline:
    (experiment,) = gathered([one])
    found = headline(experiment, 1.0)
    assert found is not None
    return found


def test_the_smallest_density_that_matches_and_what_it_took() -> None:
    found = of(made({1: 0.9, 2: 0.899, 3: 0.7}, {3: 0.5}))
    assert (found.density, found.below) == (pytest.approx(0.01), pytest.approx(0.001))
    assert (found.seeds, found.rivals) == (5, ("dense",))
    assert found.iterations == 300  # dense and two tickets, of 100 each
    assert found.times_dense == 3
    assert list(found.gaps) == ["random_reinit"]
    assert found.gaps_at == pytest.approx(0.001)  # where there is a control
    assert found.beaten == ("random_reinit",)
    said = line(found)
    assert "smallest density that matches dense: 0.0100 (" in said
    assert "below it from 0.0010 on; at 0.0010 it beats random_reinit (+19.99 ± 0.07); " in said
    assert said.endswith("search: 300 iterations, 3.0 times dense.")


def test_where_nothing_matches_it_says_so() -> None:
    found = of(made({1: 0.8, 2: 0.7}, {2: 0.7}))
    assert (found.density, found.below, found.beaten) == (None, pytest.approx(0.1), ())
    assert "no density is shown to match dense: -19.99 ± 0.07 points, 5 seeds, at the smallest, below it from" in line(
        found
    )
    assert "is not shown to beat random_reinit (-0" in line(found)


def test_it_is_of_all_rounds_whichever_are_shown() -> None:
    (experiment,) = gathered([made({1: 0.9, 2: 0.7}, {})])
    assert experiment.shown == ()
    assert headline(experiment, 1.0) == headline(experiment.showing(lambda one, arm: set()), 1.0)


def test_one_seed_has_no_headline() -> None:
    (experiment,) = gathered([made({1: 0.9}, {}, range(1))])
    assert headline(experiment, 1.0) is None


def test_twenty_rounds_of_nothing_match_by_chance_as_rarely_as_one() -> None:
    """At −2 points, with a deviation of a point, in each of 200 experiments of 20 rounds."""
    import random

    random.seed(0)
    wrong = 0
    for _ in range(200):
        values = {(0, "dense", seed): 0.9 for seed in range(3)}
        values |= {(k, "winning", seed): 0.88 + random.gauss(0, 0.01) for k in range(1, 21) for seed in range(3)}
        (experiment,) = gathered([run(values)])
        found = headline(experiment, 1.0)
        wrong += found is not None and found.density is not None
    assert wrong <= 14  # 2.5% of 200 are 5; more than 14 has a chance of one in ten thousand


def both() -> list[Experiment]:
    """Ten rounds of one experiment, two of another that has the same dense network."""
    long = made({k: 0.9 - 0.01 * k for k in range(1, 11)}, {10: 0.5}, rewind=INIT, record=_chose("init"))
    short = made({1: 0.887, 2: 0.87}, {2: 0.5}, rewind=LATE, record=_chose("late"))
    return gathered([long, short])


def _chose(rewind: str) -> dict[str, Any]:
    return {"choices": {"rewind": rewind}}


def test_rounds_of_equal_search_cost() -> None:
    experiments = both()
    budget = Budget.least(experiments)
    assert (budget.amount, budget.unit, budget.of) == (300, "iterations", "rewind=late")
    shown = {one.name: one.showing(budget.rounds).shown for one in experiments}
    assert shown["rewind=init"] == [("dense", 0), ("winning", 2)]
    assert shown["rewind=late"] == [("dense", 0), ("winning", 2), ("random_reinit", 2)]


def test_a_control_is_shown_with_its_ticket_whatever_it_took_and_pulls_in_no_dearer_one() -> None:
    """A reinitialised control trains for longer than a late ticket, one beside learned masks for nothing."""
    for iterations in (1000, 0):
        experiments = both()
        for run_of in experiments[0].runs.values():
            for row in run_of.history:
                if row["arm"] == "random_reinit":
                    row["iterations"] = iterations
        budget = Budget.least(experiments)
        shown = {one.name: one.showing(budget.rounds).shown for one in experiments}
        assert max(round for _, round in shown["rewind=init"]) == 2
        assert ("random_reinit", 2) in shown["rewind=late"]


def test_an_experiment_for_which_it_is_never_enough_shows_dense() -> None:
    cheap, dear = both()[::-1]
    budget = Budget(150, "iterations", "x")
    assert (budget.last(cheap), budget.last(dear)) == (None, None)
    assert cheap.showing(budget.rounds).shown == [("dense", 0)]


def test_of_a_seed_that_was_run_twice_all_is_of_the_later_run() -> None:
    """Also where that one diverged, or was cut short."""
    early = made({1: 0.9, 2: 0.9}, {2: 0.5}, range(2), record={"started": "2026-01-01"})
    lost = [{"round": 2, "arm": "winning", "seed": 1, "what": "nan"}]
    late = made({1: 0.3}, {}, range(1, 2), record={"started": "2026-01-02", "diverged": lost})
    (experiment,) = gathered([late, early])
    assert experiment.twice == {1}
    assert set(experiment.of("winning", 2)) == {0}
    assert experiment.of("winning", 1)[1]["test_accuracy"] == pytest.approx(0.2995)
    assert experiment.lost("winning", 2) == 1
    gone = made(
        {}, {}, range(1, 2), record={"started": "2026-01-03", "diverged": [{**lost[0], "arm": "dense", "round": 0}]}
    )
    gone.history.clear()
    (experiment,) = gathered([late, early, gone])
    assert set(experiment.of("dense", 0)) == {0}
    assert (experiment.alone, experiment.lost("winning", 2)) == (set(), 1)


def test_seeds_without_a_dense_network_are_named() -> None:
    one = made({1: 0.9}, {}, range(3))
    one.history[:] = [row for row in one.history if row["arm"] != "dense" or row["seed"] != 2]
    (experiment,) = gathered([one])
    assert (experiment.alone, sorted(experiment.runs)) == ({2}, [0, 1])


def test_runs_on_other_data_are_no_seeds_of_one_experiment() -> None:
    runs = [made({1: 0.9}, {}, range(seed, seed + 1), record={"data_sha256": 60 * f"{seed}"}) for seed in (1, 2)]
    assert [one.name for one in gathered(runs)] == ["dataset.sha256=11111111", "dataset.sha256=22222222"]


def test_values_with_blanks_are_told_apart_whole() -> None:
    runs = [
        made({1: 0.9}, {}, model={"hidden": hidden}, rewind=rewind, record={"choices": {"model": "m", "rewind": name}})
        for hidden in ([8, 4], [8, 5], [8])
        for name, rewind in (("init", INIT), ("late", LATE))
    ]
    experiments = gathered(runs)
    assert {one.apart_from(["model.hidden"]) for one in experiments} == {"rewind=init", "rewind=late"}
    assert {one.apart_from(["model"]) for one in experiments} == {"rewind=init", "rewind=late"}
    assert {one.value("model") for one in experiments} == {"m hidden=[8, 4]", "m hidden=[8, 5]", "m hidden=[8]"}


def test_no_two_experiments_have_one_name() -> None:
    runs = [made({1: 0.9}, {}, z=z) for z in (1, "1", "1 #1")]
    assert len({one.name for one in gathered(runs)}) == 3


def test_the_unit_is_the_one_that_all_know() -> None:
    known = run(
        {(0, "dense", 0): 0.9, (1, "winning", 0): 0.9}, train={"batch_size": 10}, record={"flops_per_example": 7}
    )
    examples = run({(0, "dense", 0): 0.9, (1, "winning", 0): 0.9}, train={"batch_size": 20})
    assert Budget.least(gathered([known])).unit == "FLOPs"
    budget = Budget.least(gathered([known, examples]))
    assert (budget.unit, budget.amount) == ("examples", 2000)
    with pytest.raises(ValueError, match="no run has a ticket"):
        Budget.least(gathered([run({(0, "dense", 0): 0.9})]))


def against(experiments: list[Experiment], baseline: Experiment) -> dict[tuple[str, str, int], Row]:
    every = [one.showing(lambda one, arm: one.densities(arm).keys()) for one in experiments]
    rows = [row for one in every for row in rows_of(one, 1.0, baseline=baseline)]
    return {(row.run, row.arm, row.round): row for row in rows}


def test_a_baseline_is_another_experiments_arm_of_the_same_density_and_seed() -> None:
    experiments = both()
    rows = against(experiments, experiments[0])
    assert rows["rewind=late", "dense", 0].baseline_difference == 0
    row = rows["rewind=late", "winning", 1]
    assert row.baseline_difference == pytest.approx(-0.3)
    assert (row.baseline_interval, row.baseline_verdict) == (pytest.approx(0), "matching")
    assert rows["rewind=late", "random_reinit", 2].baseline_verdict == ""  # of which the other has no such density
    assert {row.baseline_verdict for (name, *_), row in rows.items() if name == "rewind=init"} == {""}


def test_other_data_and_other_seeds_are_held_against_nothing() -> None:
    first = made({1: 0.9}, {}, rewind=INIT, record={**_chose("init"), "data_sha256": "a"})
    other = made({1: 0.9}, {}, rewind=LATE, record={**_chose("late"), "data_sha256": "b"})
    third = made({1: 0.9}, {}, range(7, 9), rewind=LATE, record={**_chose("late"), "data_sha256": "a"})
    for one in (other, third):
        experiments = gathered([first, one])
        assert {row.baseline_verdict for row in against(experiments, experiments[0]).values()} == {""}


def test_the_baseline_is_one_experiment() -> None:
    experiments = both()
    runs = [next(iter(one.runs.values())) for one in experiments]
    assert baseline_of(experiments, runs[1:], "x") is experiments[1]
    with pytest.raises(ValueError, match="--baseline x: it holds 2 experiments, such as rewind=init and rewind=late"):
        baseline_of(experiments, runs, "x")
    with pytest.raises(ValueError, match="--baseline x: it holds no finished run"):
        baseline_of(experiments, [], "x")


def test_experiments_side_by_side() -> None:
    runs = [
        made({1: 0.9}, {1: 0.5}, train={"lr": lr}, rewind=rewind, record=_chose(name))
        for lr in (0.01, 0.002)
        for name, rewind in (("init", INIT), ("late", LATE))
    ]
    experiments = gathered(runs)
    check_keys(experiments, ["train.lr", "rewind"])
    rows = side_by_side([row for one in experiments for row in rows_of(one.showing(last), 1.0, ["train.lr"])], True)
    assert [(row.group, row.arm, row.keys["train.lr"]) for row in rows[:4]] == [
        ("rewind=init", "dense", "0.002"),
        ("rewind=init", "dense", "0.01"),
        ("rewind=init", "winning", "0.002"),
        ("rewind=init", "winning", "0.01"),
    ]
    assert {row.group for row in rows[6:]} == {"rewind=late"}
    assert compare(runs)[0].keys == {}


def last(experiment: Experiment, arm: str) -> set[int]:
    return {max(experiment.densities(arm))}


def test_a_run_of_several_seeds_ends_with_its_own(lth: Lth) -> None:
    done = lth("run", "replicates=2", "rounds=1", "model.hidden=[8]", "train.iterations=2it")
    assert done.returncode == 0
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("lenet_300_100 digits: ")]
    assert "2 seeds" in said
    assert said.endswith("times dense.")


def test_all_of_it_on_the_command_line(lth: Lth, run: object) -> None:
    options = ("--by", "rewind,train.lr", "--baseline", "run", "--budget")
    document = json.loads(lth("compare", "run", *options, "--format", "json").stdout)
    assert {(row["rewind"], row["train.lr"]) for row in document["rows"]} == {("Early", "0.0012")}
    assert document["headlines"] == []
    assert [note.partition(" ")[0] for note in document["notes"]] == ["The", "Rounds"]
    for form in ("table", "markdown", "latex", "csv"):
        done = lth("compare", "run", *options, "--format", form)
        assert (done.returncode, done.stderr) == (0, "")
        assert "train.lr" in done.stdout
