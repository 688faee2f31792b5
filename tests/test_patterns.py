"""Patterns, checked by loops over blocks and filters."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lth_cli.controls import Invert, RandomMask
from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.layers import Layer
from lth_cli.core.seeds import generator
from lth_cli.core.state import Mask
from lth_cli.lottery.invariants import InvariantError, check_round
from lth_cli.models.network import prunable
from lth_cli.patterns import NM, Filters, Pattern
from tests.tiny import arm, conv, imp, mlp, normed

SHAPES = {"conv": (3, 6, 2, 2), "fc": (5, 7)}


def blocks(m: Tensor, size: int) -> list[tuple[int, int]]:
    """(kept, length) of each block of consecutive inputs, by a loop; the last of a row may be short."""
    found = []
    for out in range(m.shape[0]):
        for place in itertools.product(*(range(side) for side in m.shape[2:])):
            row = [bool(m[(out, i, *place)]) for i in range(m.shape[1])]
            found += [(sum(row[i : i + size]), len(row[i : i + size])) for i in range(0, len(row), size)]
    return found


def random_scores(seed: int) -> dict[str, Tensor]:
    stream = generator(seed, "scores")
    return {name: torch.randn(shape, generator=stream) for name, shape in SHAPES.items()}


def dense() -> Mask:
    return {name: torch.ones(shape, dtype=torch.bool) for name, shape in SHAPES.items()}


def test_2_of_4_by_hand() -> None:
    scores = {"w": torch.tensor([[1.0, 4.0, 3.0, 2.0, 9.0, 8.0, 7.0, 6.0]])}
    mask = {"w": torch.ones(1, 8, dtype=torch.bool)}
    assert NM(2, 4).select(scores, mask, Counts(4))["w"].int().tolist() == [[0, 1, 1, 0, 1, 1, 0, 0]]
    assert NM(2, 4).select(scores, mask, Counts(3))["w"].int().tolist() == [[0, 1, 0, 0, 1, 1, 0, 0]]
    assert NM(2, 4).select(scores, mask, Counts(6))["w"].int().tolist() == [[0, 1, 1, 0, 1, 1, 1, 1]]
    equal = {"w": torch.zeros(1, 8)}
    assert NM(2, 4).select(equal, mask, Counts(4))["w"].int().tolist() == [[1, 1, 0, 0, 1, 1, 0, 0]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.lists(st.floats(0.02, 1), min_size=1, max_size=4), st.integers(0, 99))
def test_any_way_down_is_exact_nested_and_of_the_pattern(n: int, more: int, fractions: list[float], seed: int) -> None:
    pattern, mask = NM(n, n + more), dense()
    for i, fraction in enumerate(sorted(fractions, reverse=True)):
        keep = Counts(round(masks.total(mask) * fraction))
        before, mask = mask, pattern.select(random_scores(seed + i), mask, keep)
        assert masks.remaining(mask) == keep.total
        assert masks.within(mask, before)
        assert pattern.violation(mask, keep) is None
        every = [block for m in mask.values() for block in blocks(m, n + more)]
        room = sum(min(n, length) for _, length in every)
        if keep.total <= room:
            assert all(kept <= n for kept, _ in every)
        else:
            assert all(kept >= min(n, length) for kept, length in every)


def test_infinite_scores_and_pruned_weights_take_no_place_in_a_block() -> None:
    scores = {"w": torch.tensor([[5.0, -torch.inf, -torch.inf, 9.0, 4.0, 3.0, 2.0, 1.0]])}
    mask = {"w": torch.tensor([[False, True, True, False, True, True, True, True]])}
    assert NM(2, 4).select(scores, mask, Counts(4))["w"].int().tolist() == [[0, 1, 1, 0, 1, 1, 0, 0]]


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (1, 2), (5, 8)])
@pytest.mark.parametrize("build", [mlp, conv, normed])
@pytest.mark.parametrize("scope", ["global", "layerwise"])
def test_n_of_m_tickets_and_their_controls(n: int, m: int, build: object, scope: str) -> None:
    pattern, target = NM(n, m), 1 - n / m
    controls = {"random_mask": RandomMask(), "invert": Invert()}
    rounds = imp(build, rounds=2, target=target, scope=scope, pattern=pattern, controls=controls, iterations=2)  # type: ignore[arg-type]
    for one in rounds[-1]:
        total = masks.total(one.job.mask)
        assert masks.remaining(one.job.mask) == round(round(total * n / m, 6))
        for layer in one.job.mask.values():
            assert all(kept <= n for kept, _ in blocks(layer, m)), one.job.arm


@pytest.mark.parametrize("build", [mlp, conv])
def test_filters_are_whole_and_the_output_is_dense(build: object) -> None:
    layers = prunable(build())  # type: ignore[operator]
    asked = [
        Counts.each({name: round(layer.size * (1 if layer.kind == "output" else f)) for name, layer in layers.items()})
        for f in (1, 0.5, 0.2)
    ]
    pattern, mask = (
        Filters(),
        {name: torch.ones(tuple(layer.shape), dtype=torch.bool) for name, layer in layers.items()},
    )
    keeps = pattern.fit(asked, layers)
    scores = {name: torch.rand(m.shape, generator=generator(0, "test")) for name, m in mask.items()}
    for keep in keeps:
        mask = pattern.select(scores, mask, keep)
        assert masks.layer_counts(mask) == keep.by_layer
        assert pattern.violation(mask, keep) is None
    for name, m in mask.items():
        whole = [bool(row.all()) for row in m.flatten(1)]
        assert whole == [bool(row.any()) for row in m.flatten(1)]
        means = [float(row.mean()) for row in scores[name]]
        kept = sorted((mean for mean, there in zip(means, whole, strict=True) if there), reverse=True)
        assert kept == sorted(means, reverse=True)[: len(kept)]
    assert mask["output.weight"].all()


@pytest.mark.parametrize(
    ("pattern", "broken", "words"),
    [(NM(2, 4), (0, slice(3)), "more than 2 of 4"), (Filters(), (0, 0), "a filter of fc1.weight is kept in part")],
)
def test_a_broken_pattern_stops_the_run(pattern: Pattern, broken: object, words: str) -> None:
    """One weight moved from one place of a layer to another, the count unchanged."""
    rounds = imp(rounds=1, target=0.5, controls={}, iterations=1)
    ticket = arm(rounds[1], "winning")
    mask = {name: torch.zeros_like(m) for name, m in ticket.job.mask.items()}
    mask["fc1.weight"][broken] = True  # type: ignore[index]
    ticket.job.mask.update(mask)
    for name, m in mask.items():
        ticket.state.params[name] *= m
    previous = {0: arm(rounds[0], "dense").job.mask}
    with pytest.raises(InvariantError, match=words):
        check_round([ticket], {}, previous, Counts(masks.remaining(mask)), pattern)


@pytest.mark.parametrize(
    ("pattern", "keep", "words"),
    [
        (NM(2, 4), 70, "2 of 4 is at most 68 of the 107 weights of all layers, but the last round keeps 70"),
        (NM(1, 4), {"conv": 20, "fc": 12}, "1 of 4 is at most 10 of the 35 weights of fc"),
        (Filters(), 50, "pruner.scope=layerwise"),
        (Filters(), {"conv": 36, "fc": 7}, "pruner.rates.output=0"),
    ],
)
def test_what_a_pattern_cannot_keep_is_said(pattern: Pattern, keep: object, words: str) -> None:
    layers = {"conv": Layer(SHAPES["conv"], "conv"), "fc": Layer(SHAPES["fc"], "output")}
    with pytest.raises(ValueError, match=words):
        pattern.fit([Counts.parse(keep)], layers)


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 4), (2.0, 4), (True, 4), ("2", 4)])
def test_n_and_m_are_whole_numbers_in_order(n: int, m: int) -> None:
    with pytest.raises(ValueError, match="whole numbers with 1 <= n < m"):
        NM(n, m)


def test_a_block_that_is_longer_than_all_inputs_takes_no_more_memory() -> None:
    scores, mask = {"w": torch.tensor([[1.0, 4.0, 3.0], [2.0, 9.0, 8.0]])}, {"w": torch.ones(2, 3, dtype=torch.bool)}
    pattern = NM(2, 10**12)
    kept = pattern.select(scores, mask, Counts(4))
    assert kept["w"].int().tolist() == [[0, 1, 1], [0, 1, 1]]
    assert pattern.violation(kept, Counts(4)) is None
    assert pattern.violation({"w": torch.tensor([[True, True, True], [True, False, False]])}, Counts(4)) is not None
