"""Small files as torchvision and Debian would have them."""

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def write_mnist(folder: Path, packed: bool) -> None:
    """40 training and 10 test images in the four files of the MNIST format; image i is filled with the value i."""
    folder.mkdir(parents=True)
    for part, n in (("train", 40), ("t10k", 10)):
        images = np.repeat(np.arange(n), 28 * 28).reshape(n, 28, 28)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", np.arange(n) % 10)):
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (folder / name).write_bytes(idx(array))


def write_folder(root: Path, per_class: int, side: int = 20) -> None:
    """PNG files of two classes, each image one colour, in the layout of ImageNet."""
    for part in ("train", "val"):
        for label, name in enumerate(("cat", "dog")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(per_class):
                colour = (40 * label + i, 10 * i, 200 - 90 * label)
                Image.new("RGB", (side + i, side), colour).save(folder / f"{i}.png")
