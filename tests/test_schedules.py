import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_cli.core.budget import plan
from lth_cli.core.layers import Layer
from lth_cli.schedules import Densities, FixedRate, Geometric, Linear, OneShot

LENET = {"fc1": Layer((235_200, 1), "fc"), "fc2": Layer((30_000, 1), "fc"), "output": Layer((1_000, 1), "output")}


def totals(layers: dict[str, Layer], schedule: object, rounds: int, **options: object) -> list[int]:
    scope, rates = options.get("scope", "global"), options.get("rates", {})
    return [keep.total for keep in plan(layers, schedule, rounds, scope, rates)]  # type: ignore[arg-type]


def test_fifteen_rounds_to_95_percent() -> None:
    """The progress users wrote down, in percent removed after each of fifteen rounds.

    Theirs comes from rounding in every round of a small network: it is exactly what 674 weights give. That accumulates
    to 0.11 points; ours is computed from the start.
    """
    noted = [18.1, 32.9, 45.1, 55.0, 63.2, 69.9, 75.4, 79.8, 83.5, 86.5, 88.9, 90.9, 92.6, 93.9, 95.0]
    left, rounded = 674, []
    for _ in noted:
        left -= round(left * (1 - 0.05 ** (1 / 15)))
        rounded.append(round(100 * (1 - left / 674), 1))
    assert rounded == noted
    kept = totals(LENET, Geometric(0.95), 15)[1:]
    assert kept == [round(266_200 * 0.05 ** (k / 15)) for k in range(1, 16)]
    assert [100 * (1 - k / 266_200) for k in kept] == pytest.approx(noted, abs=0.12)


@given(st.sampled_from([Geometric, Linear]), st.floats(0, 0.99), st.integers(1, 30), st.integers(0, 30))
def test_more_rounds_of_another_target_are_the_same_rounds(
    schedule: type[Geometric] | type[Linear], target: float, rounds: int, added: int
) -> None:
    longer = schedule(target).target_of(rounds + added, rounds)
    for round in range(rounds + 1 if longer < 1 - 1e-6 else 0):  # beyond, floats have too few digits left
        assert schedule(longer)(round, rounds + added) == pytest.approx(schedule(target)(round, rounds), abs=1e-9)


@pytest.mark.parametrize(
    ("weights", "target", "left"), [(32_768, 0.9, 3_277), (524_288, 0.99, 5_243), (266_200, 0.8, 53_240)]
)
@pytest.mark.parametrize("rounds", [1, 3, 10, 15])
def test_rounding_never_accumulates(weights: int, target: float, left: int, rounds: int) -> None:
    assert totals({"w": Layer((weights, 1), "fc")}, Geometric(target), rounds)[-1] == left


def test_linear_removes_the_same_number_each_round() -> None:
    assert totals({"w": Layer((1000, 1), "fc")}, Linear(0.8), 4) == [1000, 800, 600, 400, 200]


def test_one_shot_prunes_once() -> None:
    assert totals({"w": Layer((1000, 1), "fc")}, OneShot(0.8), 1) == [1000, 200]
    with pytest.raises(ValueError, match="rounds must be 1"):
        plan({"w": Layer((1000, 1), "fc")}, OneShot(0.8), 2, "global", {})


def test_densities_are_what_they_say() -> None:
    assert totals({"w": Layer((1000, 1), "fc")}, Densities([0.5, 0.5, 0.1]), 3) == [1000, 500, 500, 100]


@pytest.mark.parametrize("bad", [[0.5, 0.6], [0.0], [1.5], ["a"], [True], [float("nan")]])
def test_densities_must_be_fractions_that_never_rise(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="never rise"):
        Densities(bad)


@pytest.mark.parametrize("schedule", [Geometric, Linear, OneShot])
@pytest.mark.parametrize("bad", [1.0, -0.1, float("nan"), "0.9", True])
def test_a_target_is_a_fraction_removed(schedule: type, bad: float) -> None:
    with pytest.raises(ValueError, match="fraction removed"):
        schedule(bad)


def test_the_paper_prunes_20_percent_per_round_and_the_output_at_half_the_rate() -> None:
    keeps = plan(LENET, FixedRate({"fc": 0.2, "output": 0.1}), 3, "layerwise", {})
    assert keeps[1].by_layer == {"fc1": 188_160, "fc2": 24_000, "output": 900}
    assert keeps[3].by_layer == {"fc1": round(235_200 * 0.8**3), "fc2": 15_360, "output": 729}


def test_multipliers_are_the_same_as_half_a_fixed_rate() -> None:
    layerwise = plan(LENET, FixedRate({"fc": 0.2, "output": 0.2}), 3, "layerwise", {"output": 0.5})
    assert layerwise == plan(LENET, FixedRate({"fc": 0.2, "output": 0.1}), 3, "layerwise", {})


def test_multipliers_meet_the_total_exactly() -> None:
    keeps = plan(LENET, Geometric(0.9), 10, "layerwise", {"output": 0.5})
    last = keeps[-1].by_layer
    assert last is not None
    assert keeps[-1].total == sum(last.values()) == 26_620
    assert last["output"] / 1_000 > 2 * last["fc1"] / 235_200


def test_a_kind_with_rate_zero_is_never_pruned_and_what_is_impossible_is_said() -> None:
    keeps = plan(LENET, Geometric(0.9), 5, "layerwise", {"output": 0})
    assert all(keep.by_layer is not None and keep.by_layer["output"] == 1_000 for keep in keeps)
    with pytest.raises(ValueError, match="alone hold 265,200"):
        plan(LENET, Geometric(0.9), 5, "layerwise", {"fc": 0})


def test_a_schedule_that_rises_or_changes_its_mind_is_refused() -> None:
    with pytest.raises(ValueError, match="round 2 would keep more than round 1"):
        plan(LENET, lambda round, rounds: [1.0, 0.2, 0.5][round], 2, "global", {})
    with pytest.raises(ValueError, match="one density in round 0, but one per layer kind in round 1"):
        plan(LENET, lambda round, rounds: {"fc": 0.5, "output": 0.5} if round else 1.0, 1, "global", {})


def test_a_density_that_rounds_to_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="keep none of 100 weights"):
        plan({"w": Layer((100, 1), "fc")}, Geometric(0.999), 3, "global", {})


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.sampled_from(["conv", "fc", "output"])), min_size=1, max_size=6),
    st.floats(0, 0.99),
    st.integers(1, 12),
    st.fixed_dictionaries({kind: st.floats(0.1, 3) for kind in ("conv", "fc", "output")}),
)
def test_any_plan_is_exact_and_nested(
    sizes: list[tuple[int, str]], target: float, rounds: int, rates: dict[str, float]
) -> None:
    layers = {f"layer{i}": Layer((size, 1), kind) for i, (size, kind) in enumerate(sizes)}
    weights = sum(layer.size for layer in layers.values())
    if weights * (1 - target) < 1:
        return
    keeps = plan(layers, Geometric(target), rounds, "layerwise", rates)
    assert keeps[-1].total == round(round(weights * (1 - target), 6))
    for before, after in itertools.pairwise(keep.by_layer for keep in keeps):
        assert before is not None
        assert after is not None
        assert all(0 <= after[name] <= before[name] for name in layers)
    assert totals(layers, Geometric(target), rounds) == [keep.total for keep in keeps]
