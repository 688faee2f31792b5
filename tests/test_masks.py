import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_cli.core import masks
from lth_cli.core.seeds import generator

bits = st.lists(st.booleans(), min_size=1, max_size=30)


def mask_of(*layers: list[bool]) -> masks.Mask:
    return {f"layer{i}": torch.tensor(layer) for i, layer in enumerate(layers)}


def test_counts_by_hand() -> None:
    mask = mask_of([True, False, True, False], [False, False])
    assert masks.layer_counts(mask) == {"layer0": 2, "layer1": 0}
    assert (masks.remaining(mask), masks.total(mask)) == (2, 6)
    assert masks.density(mask) == pytest.approx(1 / 3)
    assert masks.empty_layers(mask) == ["layer1"]


def test_apply_gives_positive_zero_and_leaves_its_arguments_alone() -> None:
    params = {"layer0": torch.tensor([-1.0, 2.0]), "bias": torch.tensor([3.0])}
    applied = masks.apply(mask_of([False, True]), params)
    assert applied["layer0"].tolist() == [0.0, 2.0]
    assert not torch.signbit(applied["layer0"]).any()
    assert applied["bias"].tolist() == [3.0]
    assert params["layer0"].tolist() == [-1.0, 2.0]


@given(bits)
def test_apply_twice_is_apply_once(layer: list[bool]) -> None:
    params = {"layer0": torch.randn(len(layer), generator=generator(0, "test"))}
    once = masks.apply(mask_of(layer), params)
    twice = masks.apply(mask_of(layer), once)
    assert torch.equal(once["layer0"], twice["layer0"])


@given(bits)
def test_invert_prunes_what_was_kept(layer: list[bool]) -> None:
    mask = mask_of(layer)
    assert masks.remaining(masks.invert(mask)) == masks.total(mask) - masks.remaining(mask)
    assert masks.equal(masks.invert(masks.invert(mask)), mask)


def test_overlap_by_hand() -> None:
    a, b = mask_of([True, True, False]), mask_of([False, True, True])
    assert masks.overlap(a, b) == pytest.approx(1 / 3)
    assert masks.overlap(a, a) == 1
    assert masks.overlap(mask_of([False]), mask_of([False])) == 1


def test_within_is_inclusion() -> None:
    assert masks.within(mask_of([True, False]), mask_of([True, True]))
    assert not masks.within(mask_of([True, True]), mask_of([True, False]))
