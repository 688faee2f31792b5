"""Weights in several places of a network, modules under several names: one value and one mask, from start to ticket."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from lth_cli.core import masks
from lth_cli.core.files import write
from lth_cli.core.seeds import generator
from lth_cli.core.ticket import Ticket
from lth_cli.models import ties
from lth_cli.models.network import initialiser, logits, prunable
from lth_cli.setup.build import build
from tests import nets
from tests.command import Lth, history
from tests.interrupted import config, cut_after, results, start
from tests.nets import assert_trained
from tests.stopping import same, stopped_and_resumed
from tests.tiny import CLASSES, SHAPE, job, trainer

NETWORKS = ["tied", "tied_normed", "twice", "words"]
PRUNABLE = {
    "tied": 64 * 8 + 8 * 8 + 8 * 10,
    "tied_normed": 64 * 8 + 8 * 8 + 8 * 10,
    "twice": 64 * 8 + 2 * 8 * 8 + 8 * 10,
    "words": 8 * 8 + 6 * 8 + 6 * 10,
}


def network(name: str) -> nn.Module:
    made: nn.Module = getattr(nets, name)((1, 8, 8), 10, [8])
    return made


def options(name: str, executor: str = "serial") -> tuple[str, ...]:
    return f"model._target_=tests.nets.{name}", f"executor={executor}", "replicates=2", "rewind=early", *_EARLY


_EARLY = ("rewind.iteration=2it", "train.iterations=12it")


@pytest.mark.parametrize("executor", ["serial", "stacked", "processes"])
@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_trained_is_the_real_network(name: str, executor: str, lth: Lth, tmp_path: Path) -> None:
    """Tickets load strictly, and trained weights score in the real network what history says."""
    if name == "words" and executor == "stacked":
        executor = "auto"
    path = tmp_path / "run"
    start(path, *options(name, executor))
    assert_trained(path, network(name), build(config(*options(name)), {}).data.test)
    assert {int(row["total"]) for row in history(path)} == {PRUNABLE[name]}
    verified = lth("verify", str(path))
    assert verified.returncode == 0, verified.stdout


@pytest.mark.parametrize("name", ["tied_normed", "words"])
def test_going_on_gives_the_same_bits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start(tmp_path / "whole", *options(name))
    cut_after(tmp_path / "cut", 2, monkeypatch, *options(name))
    start(tmp_path / "cut", *options(name), resume=True)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("name", ["tied", "tied_normed", "twice"])
def test_going_on_within_a_training_gives_the_same_bits(name: str, rows: int, tmp_path: Path) -> None:
    make = partial(getattr(nets, name), SHAPE, CLASSES, [8])
    jobs = [job(make) for _ in range(rows)]
    whole = trainer(make).train(jobs)
    again = stopped_and_resumed(tmp_path, make, jobs, 8)
    assert all(same(one, two) for one, two in zip(whole, again, strict=True))


@pytest.mark.parametrize("pruner", ["snip", "grasp", "edge_popup"])
@pytest.mark.parametrize("name", ["tied_normed", "twice"])
def test_gradients_and_learned_masks_count_every_place(name: str, pruner: str, lth: Lth, tmp_path: Path) -> None:
    start(tmp_path / "run", f"model._target_=tests.nets.{name}", f"pruner={pruner}", "controls=[]")
    assert lth("verify", str(tmp_path / "run")).returncode == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_as_a_function_it_is_the_module_in_value_and_gradient(name: str) -> None:
    real = network(name)
    values = {n: p.detach().clone().requires_grad_() for n, p in real.named_parameters()}
    x = torch.randn(5, 1, 8, 8, generator=generator(0, "x"))
    buffers = {n: b.clone() for n, b in real.named_buffers()}
    function = logits(lambda: network(name), torch.device("cpu"))
    for _ in range(2):  # a call must leave nothing behind
        ours, theirs = function(values, buffers, x, True), real(x)
        assert torch.allclose(ours, theirs, atol=1e-6)
        gradients = torch.autograd.grad(ours.square().sum(), list(values.values()))
        expected = torch.autograd.grad(theirs.square().sum(), list(real.parameters()))
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(gradients, expected, strict=True))


def test_a_module_under_two_names_is_left_as_it_was() -> None:
    real = network("twice")
    before = {name: id(value) for name, value in real.state_dict(keep_vars=True).items()}
    function = ties.Functional(real)
    real.eval()
    function({n: torch.zeros_like(p) for n, p in real.named_parameters()}, torch.zeros(2, 1, 8, 8))
    assert {name: id(value) for name, value in real.state_dict(keep_vars=True).items()} == before


def test_a_given_ticket_of_a_tied_network_is_trained(lth: Lth, tmp_path: Path) -> None:
    start(tmp_path / "run", *options("tied_normed"))
    start(tmp_path / "again", *options("tied_normed"), f"ticket={tmp_path}/run/tickets/seed0.safetensors", "rounds=1")
    given, taken = (Ticket.load(tmp_path / run / "tickets/seed0.safetensors") for run in ("run", "again"))
    assert masks.equal(given.mask, taken.mask)
    assert all(torch.equal(given.weights[name], taken.weights[name]) for name in given.weights)
    assert lth("verify", str(tmp_path / "again")).returncode == 0


@pytest.mark.parametrize("wrong", [{"tied": 3}, {"tied": {"a": "nowhere"}}, {"transient": 3}, {"tied": {"a": ["b"]}}])
def test_a_ticket_whose_names_are_wrong_is_none(wrong: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path / "ticket", Ticket({}, {"b": torch.ones(1)}, {}, wrong).to_bytes())
    with pytest.raises(ValueError, match="is not a ticket: "):
        Ticket.load(tmp_path / "ticket")


def test_a_shared_weight_has_its_first_name_and_the_last_layer_s_kind() -> None:
    assert {name: layer.kind for name, layer in prunable(network("words")).items()} == {
        "embedding.weight": "fc",
        "attention.out_proj.weight": "fc",
        "output.weight": "output",
    }
    both = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    both[1].weight = both[0].weight
    assert {name: layer.kind for name, layer in prunable(both).items()} == {"0.weight": "output"}


def transposed() -> nn.Module:
    both = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Linear(10, 64), nn.Linear(64, 10))
    both[2].weight = nn.Parameter(both[1].weight.t())
    return both


def buffered() -> nn.Module:
    both = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    both.register_buffer("copy", both[1].weight.detach())
    return both


def frozen() -> nn.Module:
    both = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    both[1].bias.requires_grad_(False)
    return both


def lazy() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(10))


def computed() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(64, 10)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (transposed, "2.weight is another Parameter in the memory of 1.weight: to tie them, make them one"),
        (buffered, "the buffer copy is in the memory of the parameter 1.weight"),
        (frozen, "1.bias requires no gradient"),
        (lazy, "1.weight is of a lazy layer: say its size"),
        (computed, "1.weight is computed, no Parameter: it cannot be pruned"),
        (nn.Flatten, "it has no linear or convolutional layer: there is nothing to prune"),
    ],
)
def test_what_would_train_as_another_network_is_refused(
    make: Callable[[], nn.Module], words: str, lth: Lth, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        f"from tests.test_ties import {make.__name__} as made\n"
        if make is not nn.Flatten
        else "from torch.nn import Flatten as made\n"
    )
    with (tmp_path / "mine.py").open("a") as file:
        file.write("def net(shape, classes, hidden):\n    return made()\n")
    refused = lth("run", "model._target_=mine.net")
    assert refused.returncode == 2
    assert words in refused.stderr
    assert not (tmp_path / "outputs").exists()


def test_attention_embeddings_parameters_and_buffers_are_as_their_constructors_set_them() -> None:
    init = initialiser(lambda: network("words"))
    before = torch.get_rng_state()
    state, again, other = init(generator(0, "init")), init(generator(0, "init")), init(generator(1, "init"))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(state.params[name], again.params[name]) for name in state.params)
    for name in ("position", "attention.in_proj_weight", "embedding.weight"):
        assert not torch.equal(state.params[name], other.params[name])
    assert state.params["position"].std().item() == pytest.approx(0.02, rel=0.1)
    assert state.params["attention.in_proj_weight"].abs().max().item() <= (6 / (8 + 24)) ** 0.5
    assert state.params["scale"].item() == 1
    assert state.buffers["bounds"].tolist() == torch.linspace(-1, 1, 5).tolist()
    assert state.buffers["shift"].tolist() == [1] * 8
    assert state.params["embedding.weight"].std().item() == pytest.approx((2 / 14) ** 0.5, rel=0.3)  # as a layer's


class Unset(nn.Module):
    """What its constructor leaves empty, one has a method for, the other not."""

    def __init__(self, method: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(3, 3))
        self.register_buffer("count", torch.empty(2, dtype=torch.int64))
        if method:
            self.reset_parameters = lambda: nn.init.uniform_(self.weight, 1, 2)


def test_what_a_constructor_leaves_empty_is_reset_or_zero() -> None:
    init = initialiser(lambda: nn.Sequential(Unset(True), Unset(False)))
    state, again = init(generator(0, "init")), init(generator(0, "init"))
    assert torch.equal(state.params["0.weight"], again.params["0.weight"])
    assert 1 <= state.params["0.weight"].min().item() < state.params["0.weight"].max().item() <= 2
    assert not state.params["1.weight"].any()
    assert not state.buffers["0.count"].any()


def test_more_that_a_layer_s_subclass_holds_is_initialised() -> None:
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(3, 3)
            self.gain = nn.Parameter(torch.full((3,), 5.0))

    state = initialiser(Scaled)(generator(0, "init"))
    assert state.params["gain"].tolist() == [5, 5, 5]
    assert not state.params["bias"].any()
