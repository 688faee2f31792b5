import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lth_cli.core import masks
from lth_cli.core.state import Start
from lth_cli.training.curves import Diverged
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.feed import Resident
from lth_cli.training.jobs import Fitted, Job
from lth_cli.training.networks import One
from lth_cli.training.optimizers import learning_rate, make_optimizer
from lth_cli.training.order import epoch_order
from lth_cli.training.step import Step
from tests.tiny import CPU, DATA, RECIPE, ZERO, conv, dropping, job, mlp, normed, serial, trainer


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_weights_and_momentum_are_exactly_zero_after_every_step(optimizer: str) -> None:
    """Not hidden in forward (open_lth), and momentum cannot revive a weight (FPGM)."""
    one = job()
    network = One(mlp, one, CPU)
    recipe = replace(RECIPE, optimizer=optimizer, momentum=0.9, weight_decay=0.01)
    opt = make_optimizer(recipe, list(network.params.values()))
    step = Step(network, Resident(DATA.train), opt, nullcontext, ZERO)
    step.load(epoch_order(0, 1, 0, 96, 8, CPU).unsqueeze(1), [0.1] * 12, 0)
    for _ in range(5):
        step()
        for name, mask in one.mask.items():
            of_weight = [moments[list(network.params).index(name)] for moments in opt.moments]
            for t in (network.params[name], *of_weight):
                assert not t[~mask].any()
                assert t[mask].any()


def test_the_step_equals_plain_pytorch_with_a_mask_in_forward() -> None:
    """An independent reference: the mask multiplies inside forward, and plain SGD does the rest."""
    one = job(iterations=12)
    fitted = serial(optimizer="sgd", lr=0.1, momentum=0.9, weight_decay=1e-3, iterations=12)([one])[0]
    params = {name: p.clone().requires_grad_() for name, p in masks.apply(one.mask, one.start.state.params).items()}
    velocity = {name: torch.zeros_like(p) for name, p in params.items()}
    for batch in epoch_order(0, 1, 0, len(DATA.train), 8, CPU):
        masked = {name: p * one.mask[name] if name in one.mask else p for name, p in params.items()}
        loss = F.cross_entropy(
            torch.func.functional_call(mlp(), masked, DATA.train.images[batch]), DATA.train.labels[batch]
        )
        gradients = torch.autograd.grad(loss, list(params.values()))
        with torch.no_grad():
            for (name, p), gradient in zip(params.items(), gradients, strict=True):
                velocity[name] = 0.9 * velocity[name] + gradient + 1e-3 * p
                p -= 0.1 * velocity[name]
    for name, p in params.items():
        torch.testing.assert_close(fitted.state.params[name], p.detach())


@pytest.mark.parametrize(
    ("optimizer", "reference"),
    [
        ("adam", lambda p: torch.optim.Adam([p], lr=0.1, weight_decay=0.01)),
        ("sgd", lambda p: torch.optim.SGD([p], lr=0.1, weight_decay=0.01, momentum=0.9)),
    ],
)
def test_optimizers_are_those_of_torch(optimizer: str, reference: Callable[[Tensor], torch.optim.Optimizer]) -> None:
    ours, theirs = (torch.arange(1.0, 5.0).requires_grad_() for _ in range(2))
    step = make_optimizer(replace(RECIPE, optimizer=optimizer, momentum=0.9, weight_decay=0.01), [ours])
    optim = reference(theirs)
    for lr in (0.1, 0.1, 0.01):
        theirs.grad = theirs.detach().sin()
        optim.param_groups[0]["lr"] = lr
        optim.step()
        step.step([ours.detach().sin()], torch.tensor(lr))
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("build", [mlp, conv, normed])
def test_pruned_weights_stay_zero_through_training(build: object) -> None:
    one = job(build)
    fitted = serial(build)([one])[0]  # type: ignore[arg-type]
    for name, mask in one.mask.items():
        assert not fitted.state.params[name][~mask].any()
        assert fitted.state.params[name][mask].ne(one.start.state.params[name][mask]).any()


def test_the_same_job_gives_the_same_bits_and_leaves_its_start_alone() -> None:
    one = job(conv)
    before = {name: p.clone() for name, p in one.start.state.params.items()}
    first, second = serial(conv)([one, one])
    assert first.curve == second.curve
    assert all(torch.equal(first.state.params[name], second.state.params[name]) for name in before)
    assert all(torch.equal(one.start.state.params[name], p) for name, p in before.items())


def test_dropout_draws_from_the_jobs_own_stream() -> None:
    one = job(dropping)
    before = torch.get_rng_state()
    first = serial(dropping)([one])[0]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    other, again = serial(dropping)([replace(one, seed=1), one])
    assert first.curve == again.curve
    assert first.curve != other.curve


def test_training_in_two_halves_sees_the_same_batches_and_rates() -> None:
    """SGD without momentum has no state, so stopping at k and going on from there must give the same weights."""
    recipe = {"optimizer": "sgd", "schedule": "cosine", "lr": 0.1}
    whole = serial(**recipe)([job(save_at=8)])[0]
    assert whole.saved is not None
    rest = Job(1, "winning", 0, Start(whole.saved, schedule=8, order=8, iterations=12), whole.job.mask)
    again = serial(**recipe)([rest])[0]
    assert all(torch.equal(whole.state.params[n], again.state.params[n]) for n in whole.state.params)
    assert again.curve[-1].iteration == 20


def test_a_rewound_network_draws_the_noise_of_the_iterations_it_repeats() -> None:
    """From its state at iteration 7 on, under plain SGD, which remembers nothing, it goes the way it went before."""
    whole = job(dropping, density=1.1, save_at=7)
    recipe = {"optimizer": "sgd", "schedule": "cosine"}
    (first,) = trainer(dropping, **recipe).train([whole])
    assert first is not None
    assert first.saved is not None
    (again,) = trainer(dropping, **recipe).train([replace(whole, start=Start(first.saved, 7, 7, 13), save_at=None)])
    assert again is not None
    assert all(torch.equal(p, again.state.params[name]) for name, p in first.state.params.items())


def test_evaluates_when_asked_and_always_at_the_end() -> None:
    curve = serial()([job(iterations=12)])[0].curve
    assert [point.iteration for point in curve] == [0, 5, 10, 12]
    assert [point.train_loss is None for point in curve] == [True, False, False, False]


def test_an_evaluation_is_what_a_plain_loop_computes() -> None:
    fitted = serial(normed)([job(normed)])[0]
    model = normed()
    model.load_state_dict({**fitted.state.params, **fitted.state.buffers})
    logits = model.eval()(DATA.test.images)
    point = fitted.curve[-1]
    assert point.test_accuracy == (logits.argmax(1) == DATA.test.labels).sum().item() / 30
    assert point.test_loss == pytest.approx(F.cross_entropy(logits, DATA.test.labels).item(), rel=1e-5)


def test_bf16_trains_close_to_fp32_with_fp32_weights() -> None:
    exact = trainer(conv)
    (rough,) = replace(exact, bf16=True).train([job(conv)])
    assert rough.state.params["conv1.weight"].dtype == torch.float32
    assert rough.curve[-1].train_loss == pytest.approx(exact.train([job(conv)])[0].curve[-1].train_loss, rel=0.1)


def test_early_stop_is_the_first_minimum_of_validation_loss() -> None:
    """The paper's own measure of learning speed, which no other tool reports."""
    losses = [0.5, 3.0, 1.0, 2.0, 1.0]  # the first is where training starts
    curve = [Evaluation(i, 0.0, {"loss": loss}, {"accuracy": i / 10}) for i, loss in enumerate(losses)]
    one = job()
    assert Fitted(one, one.mask, one.start.state, None, curve, 1.0, 1).early_stop == curve[2]


def test_divergence_stops_with_a_word_on_what_to_do() -> None:
    with pytest.raises(Diverged, match=r"round 1, winning, seed 0: the training loss is (nan|inf).*lower train.lr"):
        serial(optimizer="sgd", lr=1e20)([job()])


def rates(**changes: object) -> list[float]:
    recipe = replace(RECIPE, lr=1.0, **changes)  # type: ignore[arg-type]
    return [learning_rate(recipe, i) for i in range(20)]


def test_learning_rates_by_hand() -> None:
    assert rates() == [1.0] * 20
    assert rates(schedule="step") == pytest.approx([1.0] * 10 + [0.1] * 5 + [0.01] * 5)
    assert rates(warmup=4)[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates(schedule="cosine") == pytest.approx([0.5 * (1 + math.cos(math.pi * i / 20)) for i in range(20)])
    assert rates(schedule="cosine", warmup=4)[4] == 1.0


def test_past_the_end_the_last_rate_holds() -> None:
    recipe = replace(RECIPE, schedule="step", lr=1.0)
    assert learning_rate(recipe, 1000) == learning_rate(recipe, 19) == pytest.approx(0.01)


def test_an_epoch_is_a_permutation_and_a_function_of_seed_round_and_number() -> None:
    epoch = epoch_order(0, 1, 2, examples=10, batch_size=3, device=CPU)
    assert epoch.shape == (3, 3)
    assert len(set(epoch.flatten().tolist())) == 9
    assert torch.equal(epoch, epoch_order(0, 1, 2, 10, 3, CPU))
    orders = {
        tuple(epoch_order(seed, round, number, 10, 3, CPU).flatten().tolist())
        for seed in (0, 1)
        for round in (0, 1)
        for number in (0, 1)
    }
    assert len(orders) == 8
