"""The algorithm, its arms and its invariants."""

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.select import select
from lth_cli.lottery.invariants import InvariantError, check_round
from lth_cli.patterns import Unstructured
from lth_cli.pruners import View, magnitude
from lth_cli.rewind import Early, FineTune, Late, LearningRate, Rewind
from lth_cli.training.networks import One
from lth_cli.training.step import Step
from tests.tiny import CONTROLS, arm, conv, imp, mlp, normed, view


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_winning_ticket_is_the_largest_trained_weights_on_the_original_initialisation() -> None:
    """NNI's exported winning ticket was not one; jaxpruner's global magnitude normalises per layer."""
    rounds = imp(rounds=1, target=0.75)
    dense, winning = arm(rounds[0], "dense"), arm(rounds[1], "winning")
    trained = torch.cat([dense.state.params[name].flatten() for name in winning.job.mask]).abs()
    kept = torch.cat([m.flatten() for m in winning.job.mask.values()])
    assert kept.sum() == round(kept.numel() * 0.25)
    assert trained[kept].min() >= trained[~kept].max()
    assert same(winning.job.start.state.params, dense.job.start.state.params)


def test_pruning_2_of_10_prunes_2_and_equal_weights_do_not_all_go() -> None:
    """open_lth keeps one weight too few and drops all ties; rahulvigneswaran freezes every negative weight."""
    mask = {"w": torch.ones(10, dtype=torch.bool)}
    weights = {"w": torch.tensor([-9.0, -8.0, 7.0, 6.0, -5.0, 4.0, 3.0, 2.0, 0.1, -0.2])}
    kept = select(magnitude(replace(view(), params=weights, mask=mask)), mask, Counts(8))["w"]
    assert kept.tolist() == [True] * 8 + [False] * 2
    equal = {"w": torch.full((10,), -0.5)}
    assert select(magnitude(replace(view(), params=equal, mask=mask)), mask, Counts(8))["w"].sum() == 8


def test_a_pruner_is_shown_the_network_that_was_trained() -> None:
    """Pruned weights at zero, whatever values are kept for the controls."""
    shown: list[int] = []

    def spy(view: View) -> masks.Params:
        shown.append(sum(int(view.params[name][~m].count_nonzero()) for name, m in view.mask.items()))
        return magnitude(view)

    imp(rounds=3, score=spy)
    assert shown == [0, 0, 0]


def test_controls_are_what_they_say() -> None:
    for fitted in imp(rounds=2)[1:]:
        ticket, reinit, shuffled = (arm(fitted, name).job for name in ("winning", "random_reinit", "random_mask"))
        assert masks.equal(reinit.mask, ticket.mask)
        assert not torch.equal(reinit.start.state.params["fc1.weight"], ticket.start.state.params["fc1.weight"])
        assert not masks.equal(shuffled.mask, ticket.mask)
        assert masks.layer_counts(shuffled.mask) == masks.layer_counts(ticket.mask)
        assert same(shuffled.start.state.params, ticket.start.state.params)


def test_random_controls_differ_between_seeds_and_rounds() -> None:
    """jaxpruner's random masks are the same for every replicate."""
    rounds = imp(seeds=(0, 1), rounds=2, target=0.5)
    reinits = [arm(rounds[r], "random_reinit", s).job.start.state.params["fc1.weight"] for r in (1, 2) for s in (0, 1)]
    assert len({tuple(weight.flatten().tolist()) for weight in reinits}) == 4
    a, b = (arm(rounds[1], "random_mask", seed).job.mask for seed in (0, 1))
    assert not masks.equal(a, b)


def test_all_arms_of_a_round_and_seed_see_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[list[int]]] = {}
    original = Step.__call__

    def recording(self: Step) -> None:
        assert isinstance(self.network, One)
        seen.setdefault(str(self.network.job), []).append(self.order[int(self.at)].flatten().tolist())
        original(self)

    monkeypatch.setattr(Step, "__call__", recording)
    imp(rounds=1, rewind=Early(3))
    ticket = seen["round 1, winning, seed 0"]
    assert len(ticket) == 17
    assert seen["round 1, random_mask, seed 0"] == ticket
    assert seen["round 1, random_reinit, seed 0"][3:] == ticket
    assert seen["round 0, dense, seed 0"][3:] != ticket


@pytest.mark.parametrize("rewind", [Early(0), Early(4), Late(0.5), LearningRate(), FineTune()])
def test_rewinding_restores_weights_schedule_and_order(rewind: Rewind) -> None:
    """Lightning's callback never resets weights; open_lth restores all three."""
    rounds = imp(rounds=2, rewind=rewind)
    dense, ticket = arm(rounds[0], "dense"), arm(rounds[2], "winning")
    start = ticket.job.start
    if isinstance(rewind, LearningRate | FineTune):
        before = arm(rounds[1], "winning")
        for name, kept in before.job.mask.items():
            assert torch.equal(start.state.params[name][kept], before.state.params[name][kept])
            # A weight pruned by round 1 has the last value it had alive, not the zero its mask kept it at.
            assert torch.equal(start.state.params[name][~kept], dense.state.params[name][~kept])
    else:
        assert dense.saved is not None
        assert same(start.state.params, dense.saved.params)
        assert start.schedule == start.order == 20 - start.iterations
        assert same(start.state.params, dense.job.start.state.params) == (start.order == 0)


def test_buffers_are_rewound_too() -> None:
    rounds = imp(normed, rounds=1)
    dense, ticket = arm(rounds[0], "dense"), arm(rounds[1], "winning")
    assert same(ticket.job.start.state.buffers, dense.job.start.state.buffers)
    assert not same(dense.state.buffers, dense.job.start.state.buffers)


def test_replicates_are_the_runs_of_their_own_seeds() -> None:
    """shrinkbench prunes before it seeds."""
    together = imp(seeds=(0, 1), rounds=1)
    alone = imp(seeds=(1,), rounds=1)
    for name in ("winning", "random_reinit", "random_mask"):
        assert arm(together[1], name, 1).curve == arm(alone[1], name, 1).curve
    assert arm(together[1], "winning", 0).curve != arm(together[1], "winning", 1).curve


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from([mlp, conv]),
    st.integers(1, 3),
    st.floats(0, 0.9),
    st.sampled_from(["global", "layerwise"]),
    st.integers(0, 2**40),
)
def test_any_run_is_exact_and_nested(build: object, rounds: int, target: float, scope: str, seed: int) -> None:
    done = imp(build, (seed,), rounds, target, scope, iterations=3)  # type: ignore[arg-type]
    tickets = [arm(fitted, "winning", seed).job.mask for fitted in done[1:]]
    total = masks.total(tickets[0])
    assert masks.remaining(tickets[-1]) == round(round(total * (1 - target), 6))
    for before, after in itertools.pairwise(tickets):
        assert masks.within(after, before)


def corrupted(what: str) -> None:
    """Break one thing in a round that was right, and check it."""
    rounds = imp(rounds=1)
    fitted = {one.job.arm: one for one in rounds[1]}
    ticket = fitted["winning"]
    previous, keep = {0: arm(rounds[0], "dense").job.mask}, Counts(masks.remaining(ticket.job.mask))
    check_round(rounds[1], CONTROLS, previous, keep, Unstructured())
    if what == "revived weight":
        params = {name: p + 1 for name, p in ticket.state.params.items()}
        fitted["winning"] = replace(ticket, state=replace(ticket.state, params=params))
    elif what == "nan":
        params = {name: p * float("nan") for name, p in ticket.state.params.items()}
        fitted["winning"] = replace(ticket, state=replace(ticket.state, params=params))
    elif what == "wrong count":
        keep = Counts(keep.total + 1)
    elif what == "not nested":
        previous = {0: masks.invert(previous[0])}
    elif what == "same mask":
        shuffled = fitted["random_mask"]
        fitted["random_mask"] = replace(ticket, job=replace(shuffled.job, mask=ticket.mask))
    elif what == "same weights":
        reinit = fitted["random_reinit"]
        fitted["random_reinit"] = replace(reinit, job=replace(reinit.job, start=ticket.job.start))
    elif what == "dead control":
        shuffled = fitted["random_mask"]
        zeros = {name: torch.zeros_like(p) for name, p in shuffled.job.start.state.params.items()}
        start = replace(shuffled.job.start, state=replace(shuffled.job.start.state, params=zeros))
        fitted["random_mask"] = replace(shuffled, job=replace(shuffled.job, start=start))
    elif what == "other layer counts":
        shuffled = fitted["random_mask"]
        dense = masks.ones(ticket.state.params, ticket.job.mask)
        fitted["random_mask"] = replace(shuffled, mask=dense)
    check_round(list(fitted.values()), CONTROLS, previous, keep, Unstructured())


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("revived weight", "a pruned weight is not zero"),
        ("nan", "a pruned weight is not zero"),
        ("wrong count", "does not keep the"),
        ("not nested", "revived a weight"),
        ("same mask", "the mask of fc1.weight is the ticket's"),
        ("same weights", "fc1.weight was not reinitialised"),
        ("dead control", "weights of fc1.weight that it keeps start at zero"),
        ("other layer counts", "other layer counts"),
    ],
)
def test_a_broken_invariant_stops_the_run(what: str, words: str) -> None:
    """Synaptic-Flow's shuffle control changes nothing, and nobody notices."""
    with pytest.raises(InvariantError, match=words):
        corrupted(what)
