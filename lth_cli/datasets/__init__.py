"""Data sets: a function per set -> `Dataset`. Embedded ones ship inside a dependency and need no download."""

from lth_cli.datasets.embedded import digits, mnist_5k
from lth_cli.datasets.folder import image_folder
from lth_cli.datasets.vision import cifar10, fashion_mnist, mnist

__all__ = ["cifar10", "digits", "fashion_mnist", "image_folder", "mnist", "mnist_5k"]
