import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.select import select


def alive(*shape: int) -> Tensor:
    return torch.ones(shape, dtype=torch.bool)


def test_keeps_the_highest_scores() -> None:
    kept = select({"w": torch.tensor([0.1, 0.9, -0.2, 0.5])}, {"w": alive(4)}, Counts(2))
    assert kept["w"].tolist() == [False, True, False, True]


def test_ties_go_to_the_lower_index_and_k_stays_exact() -> None:
    kept = select({"w": torch.full((5,), 0.3)}, {"w": alive(5)}, Counts(3))
    assert kept["w"].tolist() == [True, True, True, False, False]


def test_a_tie_across_layers_goes_to_the_earlier_layer() -> None:
    kept = select(
        {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([1.0, 3.0])}, {"a": alive(2), "b": alive(2)}, Counts(3)
    )
    assert kept["a"].tolist() == [True, True]
    assert kept["b"].tolist() == [False, True]


@pytest.mark.parametrize(("k", "expected"), [(0, [False] * 3), (3, [True] * 3)])
def test_k_of_nothing_and_k_of_all(k: int, expected: list[bool]) -> None:
    assert select({"w": torch.tensor([3.0, 1.0, 2.0])}, {"w": alive(3)}, Counts(k))["w"].tolist() == expected


def test_a_pruned_weight_is_never_revived_however_high_its_score() -> None:
    mask = {"w": torch.tensor([True, False, True])}
    assert select({"w": torch.tensor([1.0, 99.0, 2.0])}, mask, Counts(1))["w"].tolist() == [False, False, True]


def test_layerwise_keeps_its_count_in_each_layer() -> None:
    scores = {"a": torch.tensor([9.0, 8.0, 7.0]), "b": torch.tensor([1.0, 2.0, 3.0])}
    kept = select(scores, {"a": alive(3), "b": alive(3)}, Counts.each({"a": 1, "b": 2}))
    assert kept["a"].tolist() == [True, False, False]
    assert kept["b"].tolist() == [False, True, True]


def test_infinite_scores_are_scores() -> None:
    scores = {"w": torch.tensor([float("-inf"), 0.0, float("inf"), float("inf")])}
    assert select(scores, {"w": alive(4)}, Counts(3))["w"].tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("scores", "k", "words"), [([1.0, 2.0], 3, "2 are alive"), ([1.0, float("nan")], 1, "NaN"), ([1.0, 2.0], -1, "-1")]
)
def test_says_what_it_cannot_do(scores: list[float], k: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        select({"w": torch.tensor(scores)}, {"w": alive(2)}, Counts(k))


def test_layerwise_needs_every_layer() -> None:
    with pytest.raises(ValueError, match="names the layers"):
        select({"w": torch.ones(2)}, {"w": alive(2)}, Counts.each({"v": 1}))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int32])
def test_layers_of_any_type_rank_together(dtype: torch.dtype) -> None:
    scores = {"a": torch.tensor([1, 3, 5]).to(dtype), "b": torch.tensor([[2.0, 4.0], [6.0, 0.0]])}
    kept = select(scores, {"a": alive(3), "b": alive(2, 2).mT}, Counts(3))
    assert kept["a"].tolist() == [False, False, True]
    assert kept["b"].tolist() == [[False, True], [True, False]]


def test_whole_numbers_beyond_float32_are_told_apart() -> None:
    scores = torch.tensor([2**24, 2**24 + 1, 2**24 + 2])
    assert select({"w": scores}, {"w": alive(3)}, Counts(2))["w"].tolist() == [False, True, True]
    mixed = {"a": torch.tensor([1.0]), "b": torch.tensor([1 + 1e-12], dtype=torch.float64)}
    assert select(mixed, {"a": alive(1), "b": alive(1)}, Counts(1))["b"].tolist() == [True]


def test_more_weights_than_one_piece_and_ties_all_over() -> None:
    scores = torch.arange(2**22 + 10) % 3
    kept = select({"w": scores}, {"w": alive(len(scores))}, Counts(1_500_000))["w"]
    assert int(kept.sum()) == 1_500_000
    assert kept[scores == 2].all()
    of_ones = kept[scores == 1]
    assert of_ones.diff().logical_and(of_ones[1:]).sum() == 0


@given(st.data())
def test_equals_a_stable_sort_on_any_scores(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 40))
    scores = data.draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n))
    old = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    k = data.draw(st.integers(0, sum(old)))
    mask = {"w": torch.tensor(old)}
    kept = select({"w": torch.tensor(scores, dtype=torch.float)}, mask, Counts(k))
    reference = sorted((i for i in range(n) if old[i]), key=lambda i: -scores[i])[:k]
    assert kept["w"].nonzero().flatten().tolist() == sorted(reference)
    assert masks.within(kept, mask)
