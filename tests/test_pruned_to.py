"""What pruned weights are: by hand, after every step, in every executor, and in the files of a run."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.ticket import Ticket
from lth_cli.lottery.invariants import InvariantError, check_round
from lth_cli.lottery.pruned_to import PRUNED_TO
from lth_cli.patterns import Unstructured
from lth_cli.rewind import Early, LearningRate, Rewind
from lth_cli.rundir.checkpoints import Checkpoints
from lth_cli.training import executors
from lth_cli.training.executors import Executor
from lth_cli.training.feed import Resident
from lth_cli.training.hooks import Hooks
from lth_cli.training.networks import One
from lth_cli.training.optimizers import make_optimizer
from lth_cli.training.order import epoch_order
from lth_cli.training.step import Step
from tests.interrupted import cut_after, results, start
from tests.lies import believed, change, wrong
from tests.stopping import StopAt, Stopped, same, stopped_and_resumed
from tests.tiny import CPU, DATA, RECIPE, ZERO, arm, conv, imp, job, mlp, normed, serial, trainer


def test_the_actions_by_hand() -> None:
    mask = {"w": torch.tensor([True, False, False, False, False])}
    init = {"w": torch.tensor([1.0, 2.0, -2.0, 1.0, 1.0]), "bias": torch.ones(1)}
    trained = {"w": torch.tensor([0.5, 1.5, -3.0, -0.9, -1.0])}
    begun = {"w": torch.tensor([5.0, 6.0, 7.0, 8.0, 9.0]), "bias": torch.ones(1)}
    assert PRUNED_TO["zero"](mask, begun, init, trained) is None
    at_start, moved = (PRUNED_TO[name](mask, begun, init, trained) for name in ("start", "movement"))
    assert at_start is not None
    assert moved is not None
    assert at_start.keys() == moved.keys() == {"w"}
    assert at_start["w"].tolist() == [5, 6, 7, 8, 9]
    assert moved["w"].tolist() == [0, 0, 7, 0, 9]  # 1 to -1 has not come nearer


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_pruned_weights_are_put_back_after_every_step_and_seen_by_the_network(optimizer: str) -> None:
    """The losses are those of a plain forward in which the pruned weights have their values."""
    one = job()
    one = replace(one, pruned_to={name: torch.full_like(one.start.state.params[name], 0.3) for name in one.mask})
    network = One(mlp, one, CPU)
    recipe = replace(RECIPE, optimizer=optimizer, momentum=0.9, weight_decay=0.01)
    opt = make_optimizer(recipe, list(network.params.values()))
    step = Step(network, Resident(DATA.train), opt, nullcontext, ZERO)
    order = epoch_order(0, 1, 0, 96, 8, CPU)
    step.load(order.unsqueeze(1), [0.1] * 12, 0)
    total = 0.0
    for batch in order[:5]:
        seen = {name: p.detach().clone() for name, p in network.params.items()}
        x, y = DATA.train.images[batch], DATA.train.labels[batch]
        total += F.cross_entropy(torch.func.functional_call(mlp(), seen, x), y).item()
        step()
        assert step.loss.item() == pytest.approx(total, rel=1e-5)
        for name, mask in one.mask.items():
            assert network.params[name][~mask].eq(0.3).all()
            assert network.params[name][mask].ne(seen[name][mask]).any()


@pytest.mark.parametrize("pruned_to", ["start", "movement"])
@pytest.mark.parametrize("rewind", [Early(0), Early(3), LearningRate()])
@pytest.mark.parametrize("build", [mlp, conv, normed])
def test_pruned_weights_of_every_arm_end_as_the_action_says(
    build: Callable[[], nn.Module], rewind: Rewind, pruned_to: str
) -> None:
    """Against values followed by hand from round to round, weight by weight."""
    rounds = imp(build, rewind=rewind, pruned_to=pruned_to)
    init = arm(rounds[0], "dense").job.start.state.params
    last = {name: p.tolist() for name, p in _flat(arm(rounds[0], "dense").state.params).items()}
    for fitted in rounds[1:]:
        for one in fitted:
            ended, begun = _flat(one.state.params), _flat(one.job.start.state.params)
            for name, m in one.job.mask.items():
                for i, kept in enumerate(m.flatten().tolist()):
                    nearer = abs(last[name][i]) < abs(init[name].flatten()[i].item())
                    if not kept:
                        zero = pruned_to == "movement" and nearer
                        assert ended[name][i].item() == (0 if zero else begun[name][i].item())
        ticket = arm(fitted, "winning")
        for name, m in ticket.job.mask.items():
            values = _flat(ticket.state.params)[name].tolist()
            kept = m.flatten().tolist()
            last[name] = [v if k else old for v, k, old in zip(values, kept, last[name], strict=True)]


def _flat(params: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: p.flatten() for name, p in params.items()}


@pytest.mark.parametrize(
    "execute", [executors.stacked, partial(executors.processes, workers=2)], ids=["stacked", "processes"]
)
def test_executors_agree(execute: Executor) -> None:
    reference, other = (
        imp(conv, seeds=(0, 1), pruned_to="movement", execute=how) for how in (executors.serial, execute)
    )
    for one, two in zip(reference[-1], other[-1], strict=True):
        for name, p in one.state.params.items():
            torch.testing.assert_close(two.state.params[name], p, rtol=1e-3, atol=1e-4)
    one = job()
    mixed = [replace(one, pruned_to={name: one.start.state.params[name] for name in one.mask}), one]
    for one, two in zip(serial()(mixed), serial(execute=execute)(mixed), strict=True):
        for name, p in one.state.params.items():
            torch.testing.assert_close(two.state.params[name], p, rtol=1e-3, atol=1e-4)


def test_a_checkpoint_goes_on_and_is_not_taken_for_another(tmp_path: Path) -> None:
    one = job()
    one = replace(one, pruned_to={name: one.start.state.params[name] for name in one.mask})
    (whole,) = serial()([one])
    (again,) = stopped_and_resumed(tmp_path, mlp, [one], 8)
    assert same(whole, again)
    with pytest.raises(Stopped):
        replace(trainer(mlp), hooks=Hooks(checkpoints=StopAt(tmp_path, 8, None))).train([one])
    zero, hooks = replace(one, pruned_to=None), Hooks(checkpoints=Checkpoints(tmp_path, None, None))
    (other,), (fresh,) = replace(trainer(mlp), hooks=hooks).train([zero]), serial()([zero])
    assert same(other, fresh)


def test_a_pruned_weight_that_is_something_else_stops_the_run() -> None:
    rounds = imp(rounds=1, controls={}, pruned_to="start")
    (ticket,) = rounds[1]
    previous, keep = {0: arm(rounds[0], "dense").mask}, Counts(masks.remaining(ticket.mask))
    check_round([ticket], {}, previous, keep, Unstructured())
    params = {
        name: p.where(ticket.mask[name], 0) if name in ticket.mask else p for name, p in ticket.state.params.items()
    }
    broken = replace(ticket, state=replace(ticket.state, params=params))
    with pytest.raises(InvariantError, match="a pruned weight is not what it is pruned to"):
        check_round([broken], {}, previous, keep, Unstructured())


@pytest.mark.parametrize("pruned_to", ["start", "movement"])
def test_a_run_is_verified_resumed_and_its_ticket_loaded(pruned_to: str, tmp_path: Path) -> None:
    start(tmp_path / "whole", f"pruned_to={pruned_to}")
    assert wrong(tmp_path / "whole") == {}
    with pytest.MonkeyPatch.context() as patch:
        cut_after(tmp_path / "cut", 2, patch, f"pruned_to={pruned_to}")
    start(tmp_path / "cut", f"pruned_to={pruned_to}", resume=True)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
    ticket = Ticket.load(tmp_path / "whole" / "tickets" / "seed0.safetensors")
    for name, m in ticket.mask.items():
        values = ticket.state_dict()[name]
        equal = values == ticket.weights[name]
        assert (equal | (values == 0)).all() if pruned_to == "movement" else equal.all()
        assert equal[m].all()
        assert (values[~m] != 0).any()
    change("rounds/02/winning_seed0.safetensors", "params/fc1.weight", lambda p: p + 1)(tmp_path / "whole")
    believed(tmp_path / "whole")
    assert "round 2, winning, seed 0: a pruned weight is not what it is pruned to" in wrong(tmp_path / "whole")["zeros"]
