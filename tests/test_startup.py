"""What a short run does not pay for."""

import sys

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from lth_cli import datasets
from lth_cli.datasets.dataset import Split, normalised, split_off
from lth_cli.models.network import empty
from tests.command import Lth


@pytest.mark.parametrize("model", ["lenet_300_100", "conv4"])
def test_a_run_of_one_seed_imports_no_library_that_it_could_do_without(lth_process: Lth, model: str) -> None:
    short = ("rounds=1", "train.iterations=1it", "controls=[]")
    done = lth_process("run", *short, f"model={model}", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"torch", "hydra", "lth_cli"} <= imported
    assert not imported & {"scipy", "sklearn", "pandas", "sympy", "matplotlib", "torchvision", "mlxtend"}


def test_digits_are_those_of_scikit_learn_bit_for_bit() -> None:
    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float().div(16).unsqueeze(1)
    whole = Split(images, torch.from_numpy(bunch.target).long())
    parts = split_off(whole, {"val_size": 180, "test_size": 360}, "digits")
    theirs, ours = normalised(*parts, classes=10), datasets.digits(val_size=180, test_size=360)
    for a, b in ((theirs.train, ours.train), (theirs.val, ours.val), (theirs.test, ours.test)):
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if not path.endswith("site-packages")])
    with pytest.raises(ModuleNotFoundError, match="sklearn is not installed"):
        datasets.digits(val_size=180, test_size=360)


class Odd(nn.Module):
    """All kinds of tensors that a network may hold."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.turned = nn.Parameter(torch.empty(2, 5).t(), requires_grad=False)
        self.halves = nn.ParameterList([nn.Parameter(torch.empty(4, dtype=torch.bfloat16))])
        self.shared = self.norm
        self.register_buffer("passing", torch.empty(3, dtype=torch.bool), persistent=False)
        self.register_buffer("none", None)


def test_an_empty_network_is_as_torch_makes_it() -> None:
    with torch.device("meta"):
        theirs = Odd().to_empty(device="cpu")
    ours = empty(Odd, torch.device("cpu"))

    def form(module: nn.Module) -> list[object]:
        tensors = [*module.named_parameters(), *module.named_buffers()]
        return [
            list(module.state_dict()),
            [(n, type(t), t.shape, t.stride(), t.dtype, t.device, t.requires_grad, t.is_leaf) for n, t in tensors],
        ]

    assert form(ours) == form(theirs)
    assert ours.shared is ours.norm
