"""What is claimed is true as often as it says, by simulation; the formulas, by scipy's own tests."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from scipy import stats

from lth_cli.results.statistics import Beats, Paired, Verdict, beats, holm, sampling_error, verdicts, worse
from lth_cli.rundir.read import read
from tests.interrupted import start

TRIALS = 2000
SEEDS = [2, 3, 5, 10]
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
NOISE: dict[str, Draw] = {
    "normal": lambda stream, shape: stream.normal(size=shape),
    "heavy-tailed": lambda stream, shape: stream.standard_t(3, size=shape),
}


@cache
def trials(noise: str, n: int, rounds: int = 1, mean: float = 0.0) -> list[list[Paired]]:
    """Experiments of some rounds each, with `n` seeds whose differences have a mean, and a deviation of about 1."""
    stream = np.random.default_rng([n, rounds, sum(map(ord, noise))])
    drawn = mean + NOISE[noise](stream, (TRIALS, rounds, n))
    return [[Paired.of(seeds) for seeds in trial] for trial in drawn.tolist()]


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("n", SEEDS)
def test_the_interval_covers_no_difference_as_often_as_it_says(n: int, noise: str) -> None:
    covered = share([abs(one.mean) <= float(one.margin or 0) for (one,) in trials(noise, n)])
    assert 0.93 <= covered <= 0.97


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("n", SEEDS)
def test_winning_is_seldom_claimed_of_no_difference(n: int, noise: str) -> None:
    assert share([verdicts(one, 1)[0] is Verdict.winning for one in trials(noise, n)]) < 0.03
    assert share([Verdict.winning in verdicts(one, 1) for one in trials(noise, n, rounds=20)]) < 0.05
    assert share([Beats.yes in beats(one, 1) for one in trials(noise, n, rounds=20)]) < 0.05


@pytest.mark.parametrize("n", SEEDS)
def test_without_a_correction_twenty_rounds_would_claim_too_much(n: int) -> None:
    """So the test above can fail."""
    alone = [any(verdicts([one], 1)[0] is Verdict.winning for one in trial) for trial in trials("normal", n, rounds=20)]
    assert share(alone) > 0.25


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("tolerance", [0.2, 1.0, 3.0])
def test_what_is_worse_by_twice_the_tolerance_is_seldom_called_matching(tolerance: float, n: int, noise: str) -> None:
    found = [verdicts(one, tolerance)[0] for one in trials(noise, n, mean=-2 * tolerance)]
    assert share([one in (Verdict.matching, Verdict.winning) for one in found]) < 0.05


def test_verdicts_say_where_the_interval_lies() -> None:
    def of(mean: float, margin: float) -> Verdict:
        deviation = margin / float(stats.t.ppf(0.975, 4)) * 5**0.5
        return verdicts([Paired(mean, deviation, 5)], 1.0)[0]

    assert of(0.5, 0.4) is Verdict.winning
    assert of(0.5, 0.6) is Verdict.matching
    assert of(-0.5, 0.4) is Verdict.matching
    assert of(-0.5, 0.6) is Verdict.undecided
    assert of(-0.93, 2.11) is Verdict.undecided
    assert of(-1.5, 0.6) is Verdict.undecided
    assert of(-1.5, 0.4) is Verdict.below
    assert of(0.5, 1.6) is Verdict.undecided


def test_a_ticket_beats_a_control_or_not_or_nobody_knows() -> None:
    def of(mean: float, margin: float) -> Beats:
        deviation = margin / float(stats.t.ppf(0.975, 4)) * 5**0.5
        return beats([Paired(mean, deviation, 5)], 1.0)[0]

    assert of(3, 2.9) is Beats.yes
    assert of(0.5, 0.4) is Beats.yes  # however little, it is above
    assert of(0.5, 0.6) is Beats.undecided
    assert of(0.2, 0.6) is Beats.no
    assert of(-3, 1) is Beats.no


def test_one_seed_decides_nothing() -> None:
    assert verdicts([Paired.of([50.0]), Paired.of([-50.0])], 1) == [Verdict.one_seed] * 2
    assert beats([Paired.of([50.0])], 1) == [Beats.one_seed]
    assert Paired.of([50.0]).margin is None
    assert Paired.of([50.0]).seeds_to_tell(0, 0) is None


def test_p_values_and_intervals_are_those_of_students_test() -> None:
    differences = [0.3, -0.2, 1.1, 0.4]
    one = Paired.of(differences)
    tested = stats.ttest_1samp(differences, 0)
    assert one.p_above(-1) == pytest.approx(stats.ttest_1samp(differences, -1, alternative="greater").pvalue)
    assert one.p_below(2) == pytest.approx(stats.ttest_1samp(differences, 2, alternative="less").pvalue)
    low, high = tested.confidence_interval(0.95)
    assert (one.mean - float(one.margin or 0), one.mean + float(one.margin or 0)) == pytest.approx((low, high))


def test_equal_seeds_have_the_deviation_of_rounding() -> None:
    assert Paired.of([0.5, 0.5], 0.5).deviation == pytest.approx(0.5 / 6**0.5)
    assert verdicts([Paired.of([0.5, 0.5], 0.5)], 1) == [Verdict.undecided]
    assert verdicts([Paired.of([0.5, 0.5])], 1) == [Verdict.winning]  # where nobody knows how many images there were


@pytest.mark.parametrize(("mean", "deviation"), [(-0.5, 1.0), (0.9, 3.0), (-3.0, 2.5), (-1.05, 1.0)])
def test_so_many_seeds_would_tell_and_no_fewer(mean: float, deviation: float) -> None:
    n = Paired(mean, deviation, 2).seeds_to_tell(-1, -1)
    assert n is not None
    assert verdicts([Paired(mean, deviation, n)], 1) != [Verdict.undecided]
    assert n == 2 or verdicts([Paired(mean, deviation, n - 1)], 1) == [Verdict.undecided]


@pytest.mark.parametrize(("mean", "deviation"), [(-0.65, 20.0), (0.19, 1.0), (0.0, 1.0), (0.9, 3.0), (2.0, 9.0)])
def test_so_many_would_tell_whether_a_control_is_beaten(mean: float, deviation: float) -> None:
    n = Paired(mean, deviation, 2).seeds_to_tell(0, 1)
    assert n is not None
    assert beats([Paired(mean, deviation, n)], 1) != [Beats.undecided]
    assert beats([Paired(mean, deviation, n - 1)], 1) == [Beats.undecided]


def test_what_holds_against_two_is_the_worse() -> None:
    assert worse(Verdict.winning, Verdict.matching) is Verdict.matching
    assert worse(Verdict.below, Verdict.winning) is Verdict.below
    assert worse(Verdict.undecided, Verdict.below) is Verdict.below
    assert worse(Verdict.matching, Verdict.undecided) is Verdict.undecided


def test_where_ten_thousand_seeds_would_not_tell_no_number_is_given() -> None:
    assert Paired(-1.0, 1.0, 2).seeds_to_tell(-1, -1) is None
    assert Paired(-1.0001, 1.0, 2).seeds_to_tell(-1, -1) is None


def test_holm_as_in_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_error_of_a_test_set_is_that_of_a_proportion() -> None:
    assert sampling_error(0.9, 400) == pytest.approx(1.5)
    assert sampling_error(1.0, 400) == 0


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    """Differences of real networks, of tickets that prune nothing to dense: only the order of examples is another."""
    path = tmp_path_factory.mktemp("nothing") / "run"
    length = ("train.iterations=60it", "eval_every=60it", "dataset.val_size=180", "dataset.test_size=360")
    search = ("rounds=1", "sparsity=densities", "sparsity.densities=[1.0]", "controls=[]")
    start(path, *search, *length, "model.hidden=[30]", "replicates=40")
    accuracy = {(row["round"], row["seed"]): row["test_accuracy"] for row in read(path).history}
    return [100 * (accuracy[1, seed] - accuracy[0, seed]) for seed in range(40)]


@pytest.mark.parametrize("n", SEEDS)
def test_of_real_networks_without_a_difference_as_little_is_claimed(n: int, nothing: list[float]) -> None:
    """Which of two such networks is called the ticket is a toss of a coin."""
    stream = np.random.default_rng(n)
    drawn = stream.choice(nothing, (TRIALS, n)) * stream.choice([-1, 1], (TRIALS, n))
    found = [Paired.of(seeds, 100 / 360) for seeds in drawn.tolist()]
    assert 0.93 <= share([abs(one.mean) <= float(one.margin or 0) for one in found]) <= 0.97
    assert share([verdicts([one], 1)[0] is Verdict.winning for one in found]) < 0.03
    assert len(set(nothing)) > 10
