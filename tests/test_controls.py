"""Controls: what each is, and that its own check would say so if it were not."""

from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch

from lth_cli.controls import Constant, Invert, RandomLabels, RandomMask, Reinit, Reshuffle, SmartRatio
from lth_cli.controls.control import Arm, Context, Control
from lth_cli.core import masks
from lth_cli.core.budget import erk, plan, spread
from lth_cli.core.counts import Counts
from lth_cli.core.layers import Layer
from lth_cli.core.ranks import ranked
from lth_cli.core.seeds import generator
from lth_cli.core.select import select
from lth_cli.core.state import Params, Start, State
from lth_cli.datasets.dataset import Split
from lth_cli.models.network import initialiser, prunable
from lth_cli.rewind import Early, LearningRate, Rewind
from lth_cli.schedules import Geometric
from lth_cli.training.executors import Executor, processes, serial, stacked
from tests.tiny import DATA, arm, conv, imp, job, mlp, normed, trainer

ALL: dict[str, Control] = {
    "random_reinit": Reinit(keep_sign=False),
    "same_sign_reinit": Reinit(keep_sign=True),
    "reshuffle": Reshuffle(keep_sign=False),
    "same_sign_reshuffle": Reshuffle(keep_sign=True),
    "constant": Constant(keep_sign=False),
    "same_sign_constant": Constant(keep_sign=True),
    "random_mask": RandomMask(),
    "invert": Invert(),
    "smart_ratio": SmartRatio(output=0.3),
    "random_labels": RandomLabels(),
}
SAME_SIGN = [name for name in ALL if name.startswith("same_sign")]


def pair(name: str, rewind: Rewind | None = None) -> tuple[Arm, Arm]:
    """A control and its ticket, of the second round."""
    fitted = imp(conv, rounds=2, target=0.6, rewind=rewind, controls={name: ALL[name]}, iterations=6)[2]
    control, ticket = (arm(fitted, which).job for which in (name, "winning"))
    return Arm(control.start, control.mask, control.random_labels), Arm(ticket.start, ticket.mask)


def kept(which: Arm, name: str) -> list[float]:
    values: list[float] = which.start.state.params[name][which.mask[name]].tolist()
    return values


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rewind", [Early(0), Early(3), LearningRate()])
def test_every_control_trains_under_every_rewind_and_keeps_the_total(name: str, rewind: Rewind) -> None:
    control, ticket = pair(name, rewind)
    assert masks.remaining(control.mask) == masks.remaining(ticket.mask)
    assert ALL[name].violation(control, ticket) is None


@pytest.mark.parametrize("name", SAME_SIGN)
def test_same_sign_controls_keep_signs_and_no_weight(name: str) -> None:
    control, ticket = pair(name)
    other = pair(name.removeprefix("same_sign_").replace("reinit", "random_reinit"))[0]
    for layer in ticket.mask:
        ours, theirs = kept(control, layer), kept(ticket, layer)
        assert [w > 0 for w in ours] == [w > 0 for w in theirs]
        assert sum(a == b for a, b in zip(ours, theirs, strict=True)) < max(2, 0.5 * len(ours))
    signs = [
        (a > 0) == (b > 0)
        for layer in ticket.mask
        for a, b in zip(kept(other, layer), kept(ticket, layer), strict=True)
    ]
    assert 0.2 < sum(signs) / len(signs) < 0.8


def test_a_reshuffle_holds_the_same_weights_and_a_constant_one_magnitude_per_layer() -> None:
    control, ticket = pair("reshuffle")
    constant, _ = pair("constant")
    init = initialiser(conv)(generator(0, "init")).params
    for layer in ticket.mask:
        assert sorted(kept(control, layer)) == sorted(kept(ticket, layer))
        values = init[layer].flatten().tolist()
        mean = sum(values) / len(values)
        deviation = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
        assert [abs(w) for w in kept(constant, layer)] == pytest.approx([deviation] * len(kept(constant, layer)))
    assert kept(control, "fc1.weight") != kept(ticket, "fc1.weight")


def test_fresh_weights_start_at_iteration_0_and_others_where_the_ticket_does() -> None:
    for name in ALL:
        control, ticket = pair(name, Early(3))
        fresh = isinstance(ALL[name], Reinit | Constant)
        assert control.start.order == control.start.schedule == (0 if fresh else 3)
        assert control.start.iterations == (6 if fresh else ticket.start.iterations)


@pytest.mark.parametrize("name", ["random_mask", "invert", "smart_ratio", "reshuffle", "random_reinit"])
def test_what_an_optimizer_remembers_of_other_weights_is_not_taken_over(name: str) -> None:
    """The squared gradients of the dense network would make the steps of another mask too small to learn."""
    _, ticket = pair(name, Early(3))
    params, buffers = ticket.start.state.params, ticket.start.state.buffers
    state = State(params, buffers, {"exp_avg_sq/fc1.weight": torch.ones_like(params["fc1.weight"])})
    ticket = Arm(replace(ticket.start, state=state), ticket.mask)
    context = Context(0, 1, lambda stream: State(params, buffers), 5, select, lambda: ticket.mask)
    assert ALL[name].make(ticket, context).start.state.moments == {}


def test_invert_keeps_what_the_criterion_likes_least() -> None:
    rounds = imp(rounds=1, target=0.75, controls={"invert": Invert()}, iterations=4)
    trained = arm(rounds[0], "dense").state.params
    mask = arm(rounds[1], "invert").job.mask
    chosen = torch.cat([trained[name][m].abs() for name, m in mask.items()])
    left = torch.cat([trained[name][~m].abs() for name, m in mask.items()])
    assert chosen.max() <= left.min()


@pytest.mark.parametrize("steps", [1, 3])
def test_over_rounds_invert_takes_what_was_pruned_first(steps: int) -> None:
    """By hand: the weights in the order in which magnitude left them, round by round and then by their size."""
    rounds = imp(rounds=4, target=0.9, steps=steps, controls={"invert": Invert()}, iterations=4)
    tickets = [arm(rounds[0], "dense"), *(arm(fitted, "winning") for fitted in rounds[1:])]
    order, dead = [], set[tuple[str, int]]()
    for before, after in pairwise(tickets):
        sizes = {(n, i): float(w) for n in before.mask for i, w in enumerate(before.state.params[n].flatten().abs())}
        pruned = {(n, i) for n, m in after.mask.items() for i, kept in enumerate(m.flatten()) if not kept} - dead
        order += sorted(pruned, key=lambda weight: sizes[weight])
        dead |= pruned
    last = arm(rounds[-1], "invert").job.mask
    kept = {(n, i) for n, m in last.items() for i, kept in enumerate(m.flatten()) if kept}
    assert kept == set(order[: len(kept)])
    assert masks.overlap(last, tickets[-1].mask) == 0


def test_where_more_than_half_is_kept_invert_takes_all_that_was_pruned_and_the_lowest_of_the_rest() -> None:
    rounds = imp(rounds=2, target=0.4, controls={"invert": Invert()}, iterations=4)
    first = arm(rounds[1], "winning")
    mask = arm(rounds[2], "invert").job.mask
    assert masks.within(masks.invert(first.mask), mask)
    taken = {n: mask[n] & first.mask[n] for n in mask}
    sizes = torch.cat([first.state.params[n][m].abs() for n, m in first.mask.items()])
    chosen = torch.cat([first.state.params[n][m].abs() for n, m in taken.items()])
    assert torch.equal(chosen.sort().values, sizes.sort().values[: len(chosen)])


def test_ranks_of_equal_scores_are_told_apart_as_select_does() -> None:
    scores = {"a": torch.tensor([1.0, 2.0, 1.0]), "b": torch.tensor([2.0, torch.inf])}
    everything = masks.ones(scores, scores)
    ranks = ranked(scores, everything, None)
    assert {name: rank.tolist() for name, rank in ranks.items()} == {"a": [1, 3, 0], "b": [2, 4]}
    alive = {"a": torch.tensor([True, False, True]), "b": torch.tensor([False, True])}
    again = ranked({name: -score for name, score in scores.items()}, alive, ranks)
    assert {name: rank.tolist() for name, rank in again.items()} == {"a": [7, 3, 6], "b": [2, 5]}
    assert masks.equal(select(again, everything, Counts(2)), {"a": alive["a"], "b": torch.tensor([False, False])})


def ticket_of(shapes: dict[str, tuple[int, ...]], remaining: int) -> Arm:
    mask = {name: torch.ones(shape, dtype=torch.bool) for name, shape in shapes.items()}
    scores = {name: torch.rand(shape, generator=generator(0, name)) for name, shape in shapes.items()}
    state = State({name: score - 0.5 for name, score in scores.items()}, {})
    return Arm(Start(state, 0, 0, 5), select(scores, mask, Counts(remaining)))


def smart(ticket: Arm) -> dict[str, int]:
    context = Context(0, 1, lambda stream: ticket.start.state, 5, select, lambda: ticket.mask)
    return masks.layer_counts(SmartRatio(output=0.3).make(ticket, context).mask)


def test_the_smart_ratio_by_hand() -> None:
    """Four layers: weights (16 + 4), (9 + 3) and (4 + 2) for the first three, 0.3 of the last linear one."""
    shapes = {"a": (10, 10), "b": (10, 10), "c": (20, 10), "d": (10, 10)}
    counts = smart(ticket_of(shapes, 118))
    unit = (118 - 30) / (20 * 100 + 12 * 100 + 6 * 200)
    assert counts == {"a": round(20 * 100 * unit), "b": round(12 * 100 * unit), "c": round(6 * 200 * unit), "d": 30}
    full = smart(ticket_of(shapes, 330))
    assert full["a"] == full["b"] == 100  # 136 and 82, of which the surplus goes on in proportion
    assert (full["d"], sum(full.values())) == (30, 330)
    assert smart(ticket_of(shapes, 20))["d"] < 5
    assert smart(ticket_of(shapes, 499)) == {"a": 100, "b": 100, "c": 200, "d": 99}
    assert smart(ticket_of({"a": (4, 3, 2, 2), "b": (5, 4, 1, 1)}, 30))["a"] > 15


def corrupt(name: str, control: Arm, ticket: Arm) -> list[Arm]:
    """Controls that are not what they say."""
    params = control.start.state.params
    layer = "fc1.weight"

    def weights(values: torch.Tensor) -> Arm:
        state = replace(control.start.state, params={**params, layer: values})
        return replace(control, start=replace(control.start, state=state))

    bad = [replace(control, mask=ticket.mask, start=ticket.start, random_labels=False)]
    if isinstance(ALL[name], RandomLabels):
        bad.append(replace(control, start=replace(control.start, schedule=7)))
    if isinstance(ALL[name], Reinit | Reshuffle | Constant):
        bad.append(replace(control, mask=masks.invert(ticket.mask)))
        if name in SAME_SIGN:
            bad.append(weights(-params[layer]))
        if isinstance(ALL[name], Reshuffle):
            bad.append(weights(params[layer] * 2))
        if isinstance(ALL[name], Constant):
            bad.append(weights(params[layer] * torch.arange(1, 1 + params[layer].numel()).view_as(params[layer])))
    else:
        bad.append(weights(params[layer] + 1))
        dropped = control.mask[layer].clone()
        dropped[dropped.nonzero()[0].tolist()[0]] = False
        bad.append(replace(control, mask={**control.mask, layer: dropped}))
    return bad


@pytest.mark.parametrize("name", ALL)
def test_a_control_that_is_not_what_it_says_is_caught(name: str) -> None:
    control, ticket = pair(name)
    for bad in corrupt(name, control, ticket):
        assert ALL[name].violation(bad, ticket) is not None


def raw_erk(shape: tuple[int, ...]) -> float:
    product = 1
    for side in shape:
        product *= side
    return sum(shape) / product


def test_erk_densities_by_a_search_for_epsilon() -> None:
    layers = {"a": Layer((4, 2, 3, 3), "conv"), "b": Layer((30, 40), "fc"), "c": Layer((3, 5), "output")}
    target = spread(erk(layers), layers, 200)
    epsilons = [i / 100_000 for i in range(1, 2_000_000, 7)]
    total = [sum(min(1, e * raw_erk(tuple(la.shape))) * la.size for la in layers.values()) for e in epsilons[::1000]]
    nearest = min(range(len(total)), key=lambda i: abs(total[i] - 200))
    epsilon = epsilons[nearest * 1000]
    for name, layer in layers.items():
        assert target[name] == pytest.approx(min(1, epsilon * raw_erk(tuple(layer.shape))) * layer.size, rel=0.02)
    assert target["c"] == 15
    assert sum(target.values()) == pytest.approx(200)


@pytest.mark.parametrize("build", [mlp, conv, normed])
def test_erk_plans_are_exact_and_nested(build: object) -> None:
    layers = prunable(build())  # type: ignore[operator]
    keeps = plan(layers, Geometric(0.95), 6, "erk", {})
    size = sum(layer.size for layer in layers.values())
    for round, keep in enumerate(keeps):
        assert keep.total == int(0.5 + size * 0.05 ** (round / 6))
        counts, previous = keep.by_layer, keeps[max(0, round - 1)].by_layer
        assert counts is not None
        assert previous is not None
        assert all(counts[name] <= previous[name] for name in layers)


def test_rates_by_name_come_before_rates_by_kind() -> None:
    layers = {f"{name}.weight": Layer((10, 10), "fc") for name in ("fc1", "fc2", "fc3")}
    keep = plan(layers, Geometric(0.5), 1, "layerwise", {"fc": 0.5, "fc[12]": 0.0, "fc2": 1.0})[1].by_layer
    assert keep is not None
    assert keep["fc1.weight"] == 100
    assert (100 - keep["fc3.weight"]) / (100 - keep["fc2.weight"]) == pytest.approx(0.5)
    assert sum(keep.values()) == 150
    with pytest.raises(ValueError, match=r"rates.fc9: no layer is called so.*fc1, fc2"):
        plan(layers, Geometric(0.5), 1, "layerwise", {"fc9": 0.5})


def test_a_random_mask_of_few_weights_still_differs() -> None:
    ticket = ticket_of({"w": (1, 2)}, 1)
    for round in range(20):
        context = Context(0, round, lambda stream: ticket.start.state, 5, select, lambda: ticket.mask)
        assert not masks.equal(RandomMask().make(ticket, context).mask, ticket.mask)


def test_random_masks_are_drawn_from_all_places() -> None:
    """Over many rounds every weight of a layer is kept about as often as any other."""
    ticket = ticket_of({"w": (4, 5)}, 5)
    drawn: list[Params] = []
    for round in range(400):
        context = Context(0, round, lambda stream: ticket.start.state, 5, select, lambda: ticket.mask)
        drawn.append(RandomMask().make(ticket, context).mask)
    often = torch.stack([mask["w"].float() for mask in drawn]).mean(dim=0)
    assert float(often.min()) > 0.15
    assert float(often.max()) < 0.35


@pytest.mark.parametrize("execute", [serial, stacked, partial(processes, workers=2)], ids=["one", "stack", "workers"])
def test_random_labels_are_a_permutation_that_only_its_arm_trains_on(execute: Executor) -> None:
    """The arm equals a plain job on data whose labels were permuted beforehand, and its ticket a plain job on ours."""
    plain, one = job(), replace(job(), arm="random_labels", random_labels=True)
    other = replace(one, seed=1)
    fitted = execute(trainer(), [plain, one, other])
    assert fitted[0].curve[-1].train_loss == pytest.approx(serial(trainer(), [plain])[0].curve[-1].train_loss, rel=1e-3)
    train = DATA.train
    assert isinstance(train, Split)
    for mine in fitted[1:]:
        order = torch.randperm(len(train), generator=generator(mine.job.seed, "labels"))
        assert sorted(order.tolist()) == list(range(len(train)))
        relabelled = replace(DATA, train=Split(train.images, train.labels[order]))
        (reference,) = serial(replace(trainer(), data=relabelled), [replace(mine.job, random_labels=False)])
        for name, p in reference.state.params.items():
            torch.testing.assert_close(mine.state.params[name], p, rtol=1e-3, atol=1e-4)
        assert mine.curve[-1].test_accuracy == pytest.approx(reference.curve[-1].test_accuracy, abs=0.04)
        assert mine.curve[-1].train_loss > 1.5 * fitted[0].curve[-1].train_loss
