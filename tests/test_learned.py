"""Masks that are learned: gates and gradients by loops and finite differences, and weights that never change."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lth_cli.controls import RandomMask, Reinit
from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.seeds import generator
from lth_cli.models.network import initialiser, prunable
from lth_cli.pruners import EdgePopup, Supermask
from lth_cli.pruners.learner import Learner
from lth_cli.rewind import Early, LearningRate
from lth_cli.training import executors
from lth_cli.training.executors import Executor
from lth_cli.training.jobs import Job
from lth_cli.training.networks import network_of
from lth_cli.training.noise import uniform
from lth_cli.training.scored import Scored
from tests.interrupted import cut_after, results, start
from tests.stopping import same, stopped_and_resumed
from tests.tiny import CPU, DATA, arm, conv, dropping, imp, job, mlp, normed, serial

LEARNERS: list[Learner] = [
    Supermask(rescale=False, lr_factor=1),
    Supermask(rescale=True, lr_factor=1),
    EdgePopup(lr_factor=1),
]
EXECUTORS = [executors.serial, executors.stacked, partial(executors.processes, workers=2)]


def learning_job(how: Learner, build: Callable[[], nn.Module] = mlp, seed: int = 0, per_layer: bool = True) -> Job:
    """Half of what a mask of 0.7 keeps."""
    one = job(build, density=0.7)
    counts = {name: n // 2 for name, n in masks.layer_counts(one.mask).items()}
    return replace(one, seed=seed, learner=how, keep=Counts.each(counts) if per_layer else Counts(sum(counts.values())))


def test_uniform_draws_are_uniform_and_others_for_every_key_and_number() -> None:
    keys = torch.tensor([3, 4, 3 + 2**40])
    drawn = [*uniform(keys, 0, 20_000), *uniform(keys, 1, 20_000)]
    for one in drawn:
        assert one.min() >= 0
        assert one.max() < 1
        assert one.histc(10, 0, 1).div(2000).sub(1).abs().max() < 0.1
    for i, one in enumerate(drawn):
        for two in drawn[:i]:
            assert abs(torch.corrcoef(torch.stack([one, two]))[0, 1]) < 0.03


def test_a_supermask_draws_each_weight_with_its_probability_and_passes_the_gradient_of_the_probability() -> None:
    """By a loop over weights, and a finite difference of the probability in float64."""
    score = torch.tensor([[-2.0, 0.0, 0.5, 3.0]], dtype=torch.float64, requires_grad=True)
    alive, draws = torch.tensor([[1.0, 1.0, 0.0, 1.0]]), torch.tensor([[0.1, 0.6, 0.0, 0.9]])
    gates = Supermask(rescale=False, lr_factor=1).gates({"w": score}, {"w": alive}, {"w": 2}, lambda layer: draws)["w"]
    assert gates.tolist() == [[1.0, 0.0, 0.0, 1.0]]
    (gradient,) = torch.autograd.grad(gates.sum(), score)
    for i, value in enumerate(score[0].tolist()):
        up, down = (1 / (1 + 2.718281828459045 ** -(value + step)) for step in (1e-5, -1e-5))
        assert gradient[0, i].item() == pytest.approx(alive[0, i].item() * (up - down) / 2e-5, rel=1e-6)
    often = [
        Supermask(rescale=False, lr_factor=1).gates(
            {"w": score}, {"w": alive}, {"w": 2}, lambda _, n=n: uniform(n, 0, 4)
        )["w"]
        for n in torch.arange(4000).view(-1, 1)
    ]
    expected = (alive / (1 + (-score).exp())).squeeze().tolist()
    assert torch.cat(often).mean(0).tolist() == pytest.approx(expected, abs=0.03)


def test_dynamic_rescaling_multiplies_by_the_weights_over_those_drawn() -> None:
    score, alive = torch.zeros(2, 5), torch.tensor([[1.0, 1, 1, 1, 1], [1, 1, 1, 1, 0]])
    draws = torch.tensor([[0.1, 0.1, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9, 0.1]])
    gates = Supermask(rescale=True, lr_factor=1).gates({"w": score}, {"w": alive}, {"w": 2}, lambda layer: draws)["w"]
    assert gates.tolist() == [[2.5, 2.5, 0, 0, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize("per_layer", [True, False])
def test_edge_popup_keeps_the_largest_and_passes_the_gradient_of_the_absolute_score(per_layer: bool) -> None:
    """By sorting lists, row by row; the gradient is that of |score|, whether or not the weight is kept."""
    scores = {
        name: torch.randn(2, n, generator=generator(0, name)).requires_grad_() for name, n in (("a", 12), ("b", 7))
    }
    alive = {name: (torch.rand(s.shape, generator=generator(1, name)) < 0.8).float() for name, s in scores.items()}
    counts = {"a": 4, "b": 2}
    keep = Counts.each(counts) if per_layer else Counts(sum(counts.values()))
    gates = EdgePopup(lr_factor=1).gates(scores, alive, keep, lambda layer: pytest.fail("nothing is drawn"))
    for row in range(2):
        size = {
            (name, i): abs(score[row, i].item())
            for name, score in scores.items()
            for i in range(score.shape[1])
            if alive[name][row, i]
        }
        for name, gate in gates.items():
            ranked = sorted((key for key in size if not per_layer or key[0] == name), key=lambda key: -size[key])
            chosen = ranked[: counts[name] if per_layer else sum(counts.values())]
            assert gate[row].tolist() == [float((name, i) in chosen) for i in range(gate.shape[1])]
    gradients = torch.autograd.grad(sum(gate.sum() for gate in gates.values()), list(scores.values()))
    for score, m, gradient in zip(scores.values(), alive.values(), gradients, strict=True):
        assert torch.equal(gradient, torch.sign(score.detach()) * m)
    none = EdgePopup(lr_factor=1).gates(scores, alive, Counts.each({"a": 0, "b": 7}), lambda layer: torch.zeros(0))
    assert not none["a"].any()


def test_first_scores_expect_the_density_or_spread_over_the_inputs() -> None:
    first = Supermask(rescale=False, lr_factor=1).begin((5, 4), 0.2, generator(0, "scores"))
    assert first.sigmoid().flatten().tolist() == pytest.approx([0.2] * 20)
    assert all(
        torch.isfinite(Supermask(rescale=True, lr_factor=1).begin((2, 2), d, generator(0, "s"))).all()
        for d in (0.0, 1.0)
    )
    popup = EdgePopup(lr_factor=1).begin((50, 4, 5, 5), 0.2, generator(0, "scores"))
    reference = nn.init.kaiming_uniform_(torch.empty(50, 4, 5, 5), a=5**0.5, generator=generator(1, "scores"))
    assert popup.abs().max() <= 0.1
    assert popup.std() == pytest.approx(reference.std().item(), rel=0.05)


@pytest.mark.parametrize("how", LEARNERS, ids=repr)
def test_the_gradient_of_a_score_is_that_of_its_gate_times_the_weight(how: Learner) -> None:
    """The chain rule by hand: dL/d(weight seen), from a plain forward, times the weight, times d gate / d score."""
    one = learning_job(how)
    rows = Scored(network_of(mlp, [one], CPU), [one], one.learner)
    x, y = DATA.train.images[:8], DATA.train.labels[:8]
    loss = F.cross_entropy(rows.logits(x, torch.tensor([7])), y)
    gradients = dict(zip(rows.params, torch.autograd.grad(loss, list(rows.params.values())), strict=True))
    alive = {name: m.flatten().unsqueeze(0).float() for name, m in one.mask.items()}
    flat = {name: s.detach().flatten(1).requires_grad_() for name, s in rows.params.items()}
    sizes = [s.shape[1] for s in flat.values()]
    assert one.keep is not None
    gates = how.gates(flat, alive, one.keep, lambda layer: uniform(torch.tensor([7]), layer, sizes[layer]))
    weights = masks.apply(one.mask, one.start.state.params)
    seen = {n: (w * gates[n].view(w.shape)).detach().requires_grad_() if n in gates else w for n, w in weights.items()}
    reference = F.cross_entropy(torch.func.functional_call(mlp(), seen, x), y)
    assert loss.item() == pytest.approx(reference.item(), rel=1e-5)
    for name, outer in zip(gates, torch.autograd.grad(reference, [seen[n] for n in gates]), strict=True):
        (expected,) = torch.autograd.grad(gates[name], flat[name], (outer * weights[name]).view(1, -1))
        torch.testing.assert_close(gradients[name].flatten(1), expected)
        assert expected.any()


@pytest.mark.parametrize("how", LEARNERS, ids=repr)
@pytest.mark.parametrize("build", [mlp, conv, normed, dropping])
def test_weights_never_change_and_the_count_is_exact(how: Learner, build: Callable[[], nn.Module]) -> None:
    one = learning_job(how, build)
    (fitted,) = serial(build, lr=0.1)([one])
    assert one.keep is not None
    assert one.keep.match(masks.layer_counts(fitted.mask))
    assert masks.within(fitted.mask, one.mask)
    for name, p in one.start.state.params.items():
        kept = fitted.mask[name] if name in fitted.mask else torch.ones_like(p, dtype=torch.bool)
        assert torch.equal(fitted.state.params[name][kept], p[kept])
        assert not fitted.state.params[name][~kept].any()
    (begun,) = serial(build, lr=1e-9)([one])
    assert not masks.equal(begun.mask, fitted.mask)


@pytest.mark.parametrize("how", LEARNERS, ids=repr)
def test_the_last_evaluation_is_of_the_mask_on_the_plain_weights(how: Learner) -> None:
    one = learning_job(how, per_layer=False)
    (fitted,) = serial(lr=0.05)([one])
    output = torch.func.functional_call(mlp(), masks.apply(fitted.mask, one.start.state.params), DATA.test.images)
    assert fitted.curve[-1].test_loss == pytest.approx(F.cross_entropy(output, DATA.test.labels).item(), rel=1e-5)
    assert fitted.curve[-1].train_loss < fitted.curve[1].train_loss


@pytest.mark.parametrize("execute", EXECUTORS[1:], ids=["stacked", "processes"])
@pytest.mark.parametrize("how", LEARNERS, ids=repr)
@pytest.mark.parametrize("build", [mlp, conv, normed, dropping])
def test_executors_agree_on_learned_masks(build: Callable[[], nn.Module], how: Learner, execute: Executor) -> None:
    jobs = [learning_job(how, build), learning_job(how, build, seed=1), job(build)]
    alone, together = serial(build)(jobs), serial(build, execute)(jobs)
    for one, two in zip(alone, together, strict=True):
        assert str(one.job) == str(two.job)
        assert masks.overlap(one.mask, two.mask) > 0.97
        for point, other in zip(one.curve, two.curve, strict=True):
            assert other.train_loss == (point.train_loss and pytest.approx(point.train_loss, rel=1e-2))
    assert not masks.equal(alone[0].mask, alone[1].mask)


@pytest.mark.parametrize("at", [3, 12])
@pytest.mark.parametrize("how", LEARNERS, ids=repr)
@pytest.mark.parametrize("rows", [1, 2])
def test_learning_goes_on_from_a_checkpoint_with_the_same_bits(
    tmp_path: Path, how: Learner, rows: int, at: int
) -> None:
    jobs = [learning_job(how, dropping, seed) for seed in range(rows)]
    whole = serial(dropping, executors.stacked)(jobs)
    again = stopped_and_resumed(tmp_path, dropping, jobs, at)
    for one, two in zip(whole, again, strict=True):
        assert same(one, two)
        assert masks.equal(one.mask, two.mask)


@pytest.mark.parametrize("rewind", [Early(0), Early(3), LearningRate()])
@pytest.mark.parametrize("execute", EXECUTORS, ids=["serial", "stacked", "processes"])
def test_rounds_of_learned_masks_are_nested_and_their_controls_untrained(rewind: object, execute: Executor) -> None:
    controls = {"random_mask": RandomMask(), "random_reinit": Reinit(keep_sign=False)}
    rounds = imp(
        seeds=(0, 1), scope="layerwise", score=EdgePopup(lr_factor=1), rewind=rewind, controls=controls, execute=execute
    )  # type: ignore[arg-type]
    for before, after in itertools.pairwise(rounds):
        assert [one.job.arm for one in after] == ["winning", "random_mask", "random_reinit"] * 2
        for seed in (0, 1):
            ticket = arm(after, "winning", seed)
            outer = arm(before, "dense" if before is rounds[0] else "winning", seed)
            assert masks.within(ticket.mask, outer.mask)
            for name in controls:
                control = arm(after, name, seed)
                plain = masks.apply(control.mask, control.job.start.state.params)
                assert all(torch.equal(control.state.params[key], p) for key, p in plain.items())
                assert [point.iteration for point in control.curve] == [control.job.start.order]
                output = torch.func.functional_call(mlp(), plain, DATA.train.images)
                expected = F.cross_entropy(output, DATA.train.labels).item()
                assert control.curve[0].train_loss == pytest.approx(expected, rel=1e-5)
            assert masks.layer_counts(arm(after, "random_mask", seed).mask) == masks.layer_counts(ticket.mask)


def test_signed_constant_weights_have_one_size_per_layer_and_both_signs() -> None:
    for name, layer in prunable(conv()).items():
        weights = initialiser(conv, "signed_constant")(generator(0, "init")).params[name]
        assert weights.abs().flatten().tolist() == pytest.approx(
            [(2 / (layer.size / layer.shape[0])) ** 0.5] * layer.size
        )
        assert 0.2 < (weights > 0).float().mean() < 0.8
        plain = initialiser(conv)(generator(0, "init")).params[name]
        assert torch.equal(weights > 0, plain > 0)


@pytest.mark.parametrize("pruner", ["supermask", "edge_popup"])
def test_a_run_resumes_from_its_rounds_with_the_same_bits(pruner: str, tmp_path: Path) -> None:
    change = f"pruner={pruner}"
    start(tmp_path / "whole", change)
    with pytest.MonkeyPatch.context() as patch:
        cut_after(tmp_path / "cut", 2, patch, change)
    start(tmp_path / "cut", change, resume=True)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
