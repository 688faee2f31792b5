"""Every criterion against an independent reference, and what all have in common."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from lth_cli import models, pruners
from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.seeds import generator
from lth_cli.core.select import select
from lth_cli.core.state import Mask, Params
from lth_cli.lottery.prune import Score
from lth_cli.models.network import initialiser, prunable
from lth_cli.pruners import View
from tests.tiny import CLASSES, SHAPE, arm, conv, imp, mlp, normed, view

CRITERIA: dict[str, Score] = {
    "magnitude": pruners.magnitude,
    "random": pruners.random,
    "lamp": pruners.lamp,
    "synflow": pruners.synflow,
    "snip": partial(pruners.snip, examples=16),
    "grasp": partial(pruners.grasp, examples=16, temperature=200),
    "taylor": partial(pruners.taylor, batches=2, examples=8),
    "small_final": pruners.small_final,
    "large_init": pruners.large_init,
    "small_init": pruners.small_init,
    "large_init_large_final": pruners.large_init_large_final,
    "small_init_small_final": pruners.small_init_small_final,
    "magnitude_increase": pruners.magnitude_increase,
    "movement": pruners.movement,
}


def half(build: object = mlp) -> Mask:
    """A mask with about half of each layer."""
    shapes = {name: layer.shape for name, layer in prunable(build()).items()}  # type: ignore[operator]
    stream = generator(0, "half")
    return {name: torch.rand(tuple(shape), generator=stream) < 0.5 for name, shape in shapes.items()}


def fixed(seen: View, number: int) -> tuple[View, Tensor, Tensor]:
    """A view that always draws the same examples, in float64, so that differences are exact."""
    x, y = seen.examples(number)
    x = x.double()
    double = {name: p.double() for name, p in seen.params.items()}
    return replace(seen, params=double, draw=lambda n, stream: (x, y)), x, y


def loss_of(build: object, params: Params, x: Tensor, y: Tensor, temperature: float = 1.0) -> Tensor:
    model = build().double()  # type: ignore[operator]
    return F.cross_entropy(torch.func.functional_call(model, params, (x,)) / temperature, y)


def bumped(params: Params, name: str, index: int, by: float) -> Params:
    changed = params[name].clone()
    changed.view(-1)[index] += by
    return {**params, name: changed}


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("build", [mlp, conv, normed])
def test_every_criterion_scores_every_weight_and_changes_nothing(name: str, build: object) -> None:
    seen = view(build, mask=half(build))  # type: ignore[arg-type]
    before = {key: value.clone() for key, value in (*seen.params.items(), *seen.buffers.items())}
    state = torch.get_rng_state()
    scores = CRITERIA[name](seen)
    for layer, m in seen.mask.items():
        assert scores[layer].shape == m.shape
        assert not scores[layer].requires_grad
        assert scores[layer][m].isfinite().all()
        assert len(scores[layer][m].unique()) > 1
    assert all(torch.equal({**seen.params, **seen.buffers}[key], value) for key, value in before.items())
    assert torch.equal(torch.get_rng_state(), state)


def test_magnitude_selects_what_torch_prunes() -> None:
    seen = view(conv)
    kept = select(pruners.magnitude(seen), seen.mask, Counts(masks.total(seen.mask) // 3))
    model = conv()
    model.load_state_dict(seen.params)
    modules = [(model.get_submodule(name.removesuffix(".weight")), "weight") for name in seen.mask]
    removed = masks.total(seen.mask) - masks.total(seen.mask) // 3
    torch_prune.global_unstructured(modules, pruning_method=torch_prune.L1Unstructured, amount=removed)
    for (module, _), m in zip(modules, kept.values(), strict=True):
        assert torch.equal(module.weight_mask.bool(), m)  # type: ignore[operator]


def test_snip_is_the_change_of_the_loss_by_a_connection() -> None:
    """By finite differences of a gate on each weight, the paper's own definition."""
    seen, x, y = fixed(view(mask=half()), 16)
    scores = pruners.snip(seen, examples=16)
    for name, index in (("fc1.weight", 0), ("fc1.weight", 77), ("output.weight", 5), ("output.weight", 30)):
        weight = seen.params[name].view(-1)[index].item()
        up, down = (loss_of(mlp, bumped(seen.params, name, index, gate * weight), x, y) for gate in (1e-6, -1e-6))
        assert scores[name].view(-1)[index].item() == pytest.approx(abs(up - down).item() / 2e-6, rel=1e-5, abs=1e-9)


def test_taylor_is_the_squared_change_without_the_weight_averaged_over_batches() -> None:
    torch.manual_seed(0)
    seen = view()
    batches = [(torch.randn(6, *SHAPE).double(), torch.arange(6) % CLASSES) for _ in range(3)]
    queue = list(batches)
    double = {name: p.double() for name, p in seen.params.items()}
    scores = pruners.taylor(replace(seen, params=double, draw=lambda n, s: queue.pop(0)), batches=3, examples=6)
    name, index = "output.weight", 11
    changes = []
    for x, y in batches:
        up, down = (loss_of(mlp, bumped(double, name, index, by), x, y).item() for by in (1e-6, -1e-6))
        changes.append((double[name].view(-1)[index].item() * (up - down) / 2e-6) ** 2)
    assert scores[name].view(-1)[index].item() == pytest.approx(sum(changes) / 3, rel=1e-4)


def smooth() -> nn.Module:
    """Without ReLU, whose kinks finite differences would feel."""
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Tanh(), nn.Linear(4, 3))


@pytest.mark.parametrize("pruned", [False, True])
def test_grasp_prunes_first_what_weakens_the_gradient_flow_least(pruned: bool) -> None:
    """A weight's score is half of what its removal, to first order, takes from the squared gradient norm."""
    seen, x, y = fixed(view(smooth, mask=half(smooth) if pruned else None), 12)
    scores = pruners.grasp(seen, examples=12, temperature=2.0)

    def flow(params: Params) -> float:
        leaves = {name: params[name].clone().requires_grad_() for name in seen.mask}
        loss = loss_of(smooth, {**params, **leaves}, x, y, temperature=2.0)
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        return sum(float((g[m] ** 2).sum()) for g, m in zip(gradients, seen.mask.values(), strict=True))

    for name, index in (("1.weight", 3), ("1.weight", 40), ("3.weight", 7), ("3.weight", 0)):
        weight = seen.params[name].view(-1)[index].item()
        up, down = (flow(bumped(seen.params, name, index, -gate * weight)) for gate in (1e-5, -1e-5))
        assert scores[name].view(-1)[index].item() == pytest.approx(-(up - down) / 2e-5 / 2, rel=1e-4, abs=1e-12)


def test_synflow_counts_the_paths_through_a_weight() -> None:
    """In a network of linear layers, a weight's score is the sum over paths of the product of magnitudes."""
    seen = view(lambda: models.mlp((1, 2, 2), 3, [3]))
    a, b = (seen.params[name].double().abs() for name in ("fc1.weight", "output.weight"))
    seen = replace(seen, draw=lambda n, stream: (torch.zeros(1, 1, 2, 2), torch.zeros(1)))
    scores = pruners.synflow(seen)
    first = torch.zeros(3, 4, dtype=torch.float64)
    last = torch.zeros(3, 3, dtype=torch.float64)
    for i in range(4):
        for h in range(3):
            for o in range(3):
                path = a[h, i] * b[o, h]
                first[h, i] += path
                last[o, h] += path
    torch.testing.assert_close(scores["fc1.weight"], first)
    torch.testing.assert_close(scores["output.weight"], last)


def test_synflow_takes_the_running_statistics_of_norms() -> None:
    """Through a module of absolute values in evaluation mode, as its authors do it."""
    seen = view(normed)
    seen.buffers["1.running_var"].mul_(torch.tensor([0.5, 1.0, 2.0, 3.0]))
    seen.buffers["1.running_mean"].sub_(0.3)
    scores = pruners.synflow(seen)
    model = normed().double().eval()
    model.load_state_dict({name: value.abs() for name, value in {**seen.params, **seen.buffers}.items()})
    model(torch.ones(1, *SHAPE, dtype=torch.float64)).sum().backward()
    for name, score in scores.items():
        weight = model.get_parameter(name)
        torch.testing.assert_close(score, weight.detach() * weight.grad)


def test_synflow_does_not_underflow() -> None:
    """Products over thirty layers of small weights are 0 in float32, the fate of its authors' own code."""
    deep = view(lambda: models.mlp(SHAPE, 3, [4] * 30))
    small = {name: p * 1e-3 for name, p in deep.params.items()}
    scores = pruners.synflow(replace(deep, params=small))
    assert all(bool((score > 0).all()) for score in scores.values())
    assert all(float(score.max()) < torch.finfo(torch.float32).tiny for score in scores.values())


def wide() -> nn.Module:
    return models.mlp(SHAPE, CLASSES, [40, 40, 40])


def test_synflow_leaves_no_layer_empty_where_snip_does() -> None:
    """To 8 weights of 3,960, two for each of four layers: at sparsity 0.998."""
    counts = {}
    for name, steps in (("synflow", 100), ("snip", 1)):
        done = imp(
            wide, rounds=1, target=0.998, score=CRITERIA[name], at="init", steps=steps, controls={}, iterations=1
        )
        mask = arm(done[1], "winning").job.mask
        assert masks.remaining(mask) == 8
        counts[name] = masks.layer_counts(mask)
    assert min(counts["synflow"].values()) > 0
    assert min(counts["snip"].values()) == 0


def test_lamp_by_hand_and_never_empties_a_layer_first() -> None:
    mask = {"a": torch.ones(2, 2, dtype=torch.bool), "b": torch.ones(2, dtype=torch.bool)}
    params = {"a": torch.tensor([[1.0, -2.0], [3.0, 2.0]]), "b": torch.tensor([100.0, 300.0])}
    scores = pruners.lamp(replace(view(), params=params, mask=mask))
    assert scores["a"].flatten().tolist() == pytest.approx([1 / 18, 4 / 13, 1, 4 / 17])
    assert scores["b"].tolist() == pytest.approx([1 / 10, 1])
    assert masks.layer_counts(select(scores, mask, Counts(2))) == {"a": 1, "b": 1}


def test_zhous_criteria_by_hand() -> None:
    mask = {"w": torch.tensor([True, True, True, True, False])}
    seen = replace(
        view(),
        init={"w": torch.tensor([1.0, -2.0, 0.5, 3.0, 0.0])},
        params={"w": torch.tensor([-2.0, -1.0, 0.1, 4.0, 0.0])},
        mask=mask,
    )
    expected = {
        "magnitude": [2, 1, 0.1, 4, 0],
        "small_final": [-2, -1, -0.1, -4, 0],
        "large_init": [1, 2, 0.5, 3, 0],
        "small_init": [-1, -2, -0.5, -3, 0],
        "magnitude_increase": [1, -1, -0.4, 1, 0],
        "movement": [3, 1, 0.4, 1, 0],
        # Ranks of the four alive: final 3 2 1 4, init 2 3 1 4; and from below final 2 3 4 1, init 3 2 4 1.
        "large_init_large_final": [2 / 4, 2 / 4, 1 / 4, 4 / 4, 0],
        "small_init_small_final": [2 / 4, 2 / 4, 4 / 4, 1 / 4, 0],
    }
    for name, scores in expected.items():
        assert CRITERIA[name](seen)["w"].tolist() == pytest.approx(scores), name


def test_criteria_of_movement_refuse_weights_that_have_not_moved() -> None:
    for name in ("movement", "magnitude_increase"):
        with pytest.raises(ValueError, match="nothing has moved"):
            CRITERIA[name](view(at="init"))


def test_random_scores_are_a_stream_of_seed_and_round() -> None:
    a, b, other = pruners.random(view()), pruners.random(view()), pruners.random(view(seed=1))
    assert torch.equal(a["fc1.weight"], b["fc1.weight"])
    assert not torch.equal(a["fc1.weight"], other["fc1.weight"])


@pytest.mark.parametrize("at", ["init", "rewind", "trained"])
def test_a_criterion_sees_the_weights_of_its_point(at: str) -> None:
    seen = view(normed, at=at, mask=half(normed))
    state = initialiser(normed)(generator(0, at))
    expected = masks.apply(seen.mask, state.params)
    assert all(torch.equal(seen.params[name], p) for name, p in expected.items())
    assert all(torch.equal(getattr(seen, at)[name], p) for name, p in expected.items())
    assert all(torch.equal(seen.buffers[name], b) for name, b in state.buffers.items())


def test_pruning_at_init_does_not_look_at_training() -> None:
    """The same mask whatever the training was, and the scores of the initial weights."""
    tickets = []
    for iterations in (2, 20):
        rounds = imp(rounds=1, target=0.75, score=CRITERIA["snip"], at="init", controls={}, iterations=iterations)
        tickets.append(arm(rounds[1], "winning").job.mask)
    assert masks.equal(*tickets)
    trained = arm(imp(rounds=1, target=0.75, score=CRITERIA["snip"], controls={})[1], "winning").job.mask
    assert not masks.equal(trained, tickets[0])


def test_all_criteria_keep_exactly_the_same_number() -> None:
    kept = {
        name: masks.remaining(
            arm(imp(rounds=1, target=0.9, score=score, controls={}, iterations=3)[1], "winning").job.mask
        )
        for name, score in CRITERIA.items()
    }
    assert set(kept.values()) == {round(0.1 * 228)}


def test_steps_go_geometrically_to_exactly_the_count() -> None:
    alive = {"a": 600, "b": 400}
    assert [Counts(10).on_the_way(alive, i / 4) for i in range(5)] == list(map(Counts, [1000, 316, 100, 32, 10]))
    assert Counts.each({"a": 1, "b": 7}).on_the_way({"a": 100, "b": 7}, 0.5) == Counts.each({"a": 10, "b": 7})
    assert Counts(5_243).on_the_way({"a": 524_288}, 1.0).total == 5_243


def test_steps_ask_the_criterion_anew_with_what_is_left() -> None:
    seen: list[int] = []

    def spy(view: View) -> Params:
        seen.append(masks.remaining(view.mask))
        return pruners.magnitude(view)

    imp(rounds=1, target=0.9, score=spy, steps=3, controls={}, iterations=1)
    assert seen == [228, round(228 * (23 / 228) ** (1 / 3)), round(228 * (23 / 228) ** (2 / 3))]


def test_the_network_as_a_function_is_the_network() -> None:
    """In both modes of batch norm, with its running statistics left alone."""
    seen = view(normed)
    x, _ = seen.examples(10)
    model = normed()
    model.load_state_dict({**seen.params, **seen.buffers})
    for training in (False, True):
        torch.testing.assert_close(seen.logits({}, x, training), model.train(training)(x))
    assert seen.buffers["1.num_batches_tracked"] == 0
    assert not math.isclose(float(model.get_buffer("1.running_mean").abs().sum()), 0)


def test_examples_are_different_ones_of_the_training_split() -> None:
    x, y = view().examples(50)
    assert x.shape == (50, *SHAPE)
    assert y.shape == (50,)
    assert len({tuple(image.flatten().tolist()) for image in x}) == 50
    assert len(view().examples(1000)[1]) == 96
