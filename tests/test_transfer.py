"""A saved ticket on another data set, with a new output layer where the classes differ."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import lth_cli
from lth_cli import models
from lth_cli.core import masks
from lth_cli.core.seeds import generator
from lth_cli.core.state import State
from lth_cli.core.ticket import Ticket
from lth_cli.lottery.given import fit_to
from lth_cli.models.network import initialiser, prunable
from tests.command import Lth, history, only_run

LAYERS = prunable(models.mlp((1, 4, 4), 3, [12]))


def state(classes: int = 3, side: int = 4, seed: int = 1) -> State:
    return initialiser(lambda: models.mlp((1, side, side), classes, [12]))(generator(seed, "init"))


def ticket(classes: int = 3, side: int = 4) -> Ticket:
    weights = state(classes, side, seed=0).params
    mask = {name: weights[name] > 0 for name in LAYERS}
    return Ticket(mask, weights, {}, {})


def test_a_ticket_is_taken_as_it_is() -> None:
    given = fit_to(ticket(), state(), LAYERS)
    started = given.state_for(state(seed=5))
    assert masks.equal(given.mask, ticket().mask)
    assert all(torch.equal(started.params[name], p) for name, p in ticket().weights.items())
    assert given.notes == []


def test_a_new_output_layer_is_fresh_and_dense() -> None:
    given = fit_to(ticket(classes=7), state(), LAYERS)
    fresh = state(seed=5)
    started = given.state_for(fresh)
    assert given.mask["output.weight"].all()
    assert torch.equal(given.mask["fc1.weight"], ticket().mask["fc1.weight"])
    for name in ("output.weight", "output.bias"):
        assert torch.equal(started.params[name], fresh.params[name])
    assert torch.equal(started.params["fc1.weight"], ticket().weights["fc1.weight"])
    assert given.notes == ["output.weight is new, fresh and dense: 7 classes there"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (ticket(side=5), r"fc1.weight is \(12, 25\) there, and \(12, 16\) here: only the number of classes may differ"),
        (replace(ticket(), mask={}), "only one of the two has fc1.weight"),
        (replace(ticket(), weights={}), "a ticket of another network: only one of the two has fc1.bias"),
        (replace(ticket(), mask={name: m.float() for name, m in ticket().mask.items()}), "float32, no mask of its"),
        (replace(ticket(), mask={name: m[:1] for name, m in ticket().mask.items()}), "torch.bool, no mask of its"),
        (replace(ticket(), weights={n: w.double() for n, w in ticket().weights.items()}), "torch.float64 there, and"),
    ],
)
def test_a_ticket_of_another_network_is_refused(wrong: Ticket, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit_to(wrong, state(), LAYERS)


def test_an_output_layer_with_other_inputs_is_refused() -> None:
    def linear(side: int) -> State:
        return initialiser(lambda: models.mlp((1, side, side), 3, []))(generator(0, "init"))

    weights, layers = linear(5).params, prunable(models.mlp((1, 4, 4), 3, []))
    with pytest.raises(ValueError, match=r"output.weight is \(3, 25\) there, and \(3, 16\) here"):
        fit_to(Ticket({"output.weight": weights["output.weight"] > 0}, weights, {}, {}), linear(4), layers)


def test_a_saved_ticket_is_trained_on_the_command_line(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from lth_cli.datasets import digits\n"
        "from lth_cli.datasets.dataset import Dataset, Split\n\n"
        "def halves(val_size, test_size):\n"
        "    d = digits(val_size, test_size)\n"
        "    return Dataset(*(Split(s.images, s.labels // 5) for s in (d.train, d.val, d.test)), classes=2)\n"
    )
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "halves.yaml").write_text(
        "# Small digits and large ones.\ndefaults: [digits]\n_target_: mine.halves\n"
    )
    found = lth("run", "rounds=1", "sparsity=0.8", "train.iterations=2ep", "controls=[]")
    assert found.returncode == 0, found.stderr
    path = only_run(tmp_path) / "tickets" / "seed0.safetensors"
    saved = lth_cli.Ticket.load(path)
    taken = lth(
        "run", "--config-dir", "conf", f"ticket={path}", "dataset=halves", "train=sgd", "replicates=2",
        "train.iterations=3ep", "controls=[random_reinit,random_mask]", "output=there",
    )  # fmt: skip
    assert taken.returncode == 0, taken.stderr
    assert "output.weight is new, fresh and dense: 10 classes there" in taken.stdout
    (run,) = (folder for day in (tmp_path / "there").iterdir() for folder in day.iterdir())
    rows = history(run)
    arms = [(row["round"], row["arm"]) for row in rows if row["seed"] == "1"]
    assert arms == [("0", "dense"), ("1", "winning"), ("1", "random_reinit"), ("1", "random_mask")]
    again = lth_cli.Ticket.load(run / "tickets" / "seed1.safetensors")
    assert masks.equal({**again.mask, "output.weight": saved.mask["output.weight"]}, saved.mask)
    assert torch.equal(again.weights["fc1.weight"], saved.weights["fc1.weight"])
    assert again.mask["output.weight"].all()
    assert json.loads((run / "run.json").read_text())["keep"] == [49_400, masks.remaining(again.mask)]
    assert "random_mask" in lth("compare", "there").stdout
    refused = lth("run", f"ticket={path.relative_to(tmp_path)}", "dataset=mnist_5k")
    assert refused.returncode == 2
    assert "fc1.weight is (300, 64) there, and (300, 784) here: only the number of classes may differ" in refused.stderr
    inverted = lth("run", f"ticket={path}", "controls=[invert]")
    assert inverted.returncode == 2
    assert "a ticket that is given has no scores to invert" in inverted.stderr


def test_tickets_of_a_sweep_are_named_by_their_paths(lth: Lth, run: Path, tmp_path: Path) -> None:
    """Which hold what Hydra's grammar keeps for itself; recorded, they are read again."""
    path = run.rename(tmp_path / "pruner=snip,seed=0") / "tickets" / "seed0.safetensors"
    other = tmp_path / "pruner=snip,seed=1.safetensors"
    other.write_bytes(path.read_bytes())
    short = ("train.iterations=4it", "model.hidden=[8]", "controls=[]", "output=out (1),~=2")
    taken = lth("run", f"ticket={path}", *short)
    assert taken.returncode == 0, taken.stderr
    (done,) = (tmp_path / "out (1),~=2").glob("*/*")
    found = done / "tickets" / "seed0.safetensors"
    ticket = found.read_bytes()
    found.unlink()
    resumed = lth("run", f"resume={done}")
    assert (resumed.returncode, found.read_bytes()) == (0, ticket), resumed.stderr
    swept = lth("run", "-m", f"ticket={path},{other.name}", *short)
    assert swept.returncode == 0, swept.stderr
    assert "2 done in" in swept.stdout
    again = lth("run", f"resume={next((tmp_path / 'out (1),~=2').glob('*/*_sweep'))}")
    assert again.stdout.count("all of it is as it was written") == 2
    assert f"ticket={path}x: No such file" in lth("run", f"ticket={path}x").stderr
    assert "several values are a sweep and need -m" in lth("run", f"ticket={path},{other.name}").stderr
