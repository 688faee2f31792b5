"""MNIST, Fashion-MNIST and CIFAR-10, through torchvision's loaders and file formats."""

import contextlib
import gzip
import io
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lth_cli.core import files
from lth_cli.datasets.dataset import DataNotFound, Dataset, Split, normalised, split_off

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
_MOST = 2**27  # bytes of a file; 60,000 images of 28x28 are 47 million
_PARTS, _IMAGES, _LABELS = ("train", "t10k"), "images-idx3-ubyte", "labels-idx1-ubyte"


def mnist(root: str, download: bool, val_size: int) -> Dataset:
    """MNIST (LeCun et al. 1998): 60,000 and 10,000 grey images of 28x28; val is split off train."""
    train, test = _raw("MNIST", root, download)
    return _grey(train, test, val_size, "mnist")


def fashion_mnist(root: str, download: bool, val_size: int, debian: str) -> Dataset:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 and 10,000 grey images of 28x28; val is split off train.

    Args:
        debian: folder of the Debian package dataset-fashion-mnist, used when its files are there.
    """
    if (Path(debian) / "train-images-idx3-ubyte.gz").is_file():
        train, test = _read_parts(Path(debian), ".gz")
    else:
        train, test = _raw("FashionMNIST", root, download, also=debian)
    return _grey(train, test, val_size, "fashion_mnist")


def cifar10(root: str, download: bool, val_size: int) -> Dataset:
    """CIFAR-10 (Krizhevsky 2009): 50,000 and 10,000 colour images of 32x32; val is split off train. No augmentation."""
    parts = _torchvision("CIFAR10", root, download)
    train, test = (Split(x.permute(0, 3, 1, 2).float().div(255), y) for x, y in parts)
    rest, val = split_off(train, {"val_size": val_size}, "cifar10")
    return normalised(rest, val, test, classes=10)


def read_idx(path: Path) -> Tensor:
    """An IDX file of bytes, gzipped or not -> uint8 tensor of its shape.

    Raises:
        ValueError: naming the file and what is wrong with it.
        OSError: it cannot be read, or has more than 128 MiB.
    """
    try:
        data = files.read(path, _MOST)
        if path.suffix == ".gz":
            with gzip.open(io.BytesIO(data)) as unpacked:
                data = unpacked.read(_MOST + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    if len(data) > _MOST:
        raise ValueError(f"{path} is damaged: it unpacks to more than {_MOST:,} bytes")
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is no IDX file of bytes: it starts with {data[:4].hex(' ')}, not 00 00 08")
    shape = np.frombuffer(data, ">u4", count=data[3], offset=4).tolist() if len(data) >= 4 + 4 * data[3] else [0]
    expected = 4 + 4 * data[3] + math.prod(shape)
    if len(data) != expected:
        raise ValueError(f"{path} is damaged: {len(data):,} bytes, {expected:,} expected")
    return torch.from_numpy(np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape).copy())


def _raw(name: str, root: str, download: bool, also: str = "") -> list[tuple[Tensor, Tensor]]:
    """The files where torchvision has them, read by us: it does not say which of them is damaged, or where."""
    folder = Path(root).expanduser() / name / "raw"
    if not all((folder / f"{part}-{kind}").is_file() for part in _PARTS for kind in (_IMAGES, _LABELS)):
        _torchvision(name, root, download, also)
    return _read_parts(folder, "")


def _read_parts(folder: Path, suffix: str) -> list[tuple[Tensor, Tensor]]:
    """(images, labels) of the train and the test part, uint8; raises ValueError naming the file and the place."""
    parts = list[tuple[Tensor, Tensor]]()
    for part in _PARTS:
        image_file, label_file = (folder / f"{part}-{kind}{suffix}" for kind in (_IMAGES, _LABELS))
        images, labels = read_idx(image_file), read_idx(label_file)
        if images.ndim != 3 or 0 in images.shape:
            raise ValueError(f"{image_file} holds an array of {tuple(images.shape)}, no images")
        if labels.shape != images.shape[:1]:
            raise ValueError(
                f"{label_file} holds labels {tuple(labels.shape)}, {image_file.name} {len(images):,} images"
            )
        if parts and images.shape[1:] != parts[0][0].shape[1:]:
            raise ValueError(
                f"{image_file}: images of {tuple(images.shape[1:])}, others of {tuple(parts[0][0].shape[1:])}"
            )
        if int(labels.max()) > 9:
            place = int((labels > 9).nonzero()[0])
            raise ValueError(f"{label_file}: label {int(labels[place])} of image {place} is not one of 0 to 9")
        parts.append((images, labels))
    return parts


def _grey(train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], val_size: int, name: str) -> Dataset:
    whole, held_out = (Split(x.unsqueeze(1).float().div(255), y.long()) for x, y in (train, test))
    rest, val = split_off(whole, {"val_size": val_size}, name)
    return normalised(rest, val, held_out, classes=10)


def _torchvision(name: str, root: str, download: bool, also: str = "") -> list[tuple[Tensor, Tensor]]:
    """(images, labels) of the train and the test part, uint8 and int64."""
    from torchvision import datasets

    folder = Path(root).expanduser()
    # Of MNIST, old versions wrote pickles, which torchvision still reads.
    loader: Any = type(name, (getattr(datasets, name),), {"_check_legacy_exist": lambda _: False})

    def parts(download: bool) -> list[Any]:
        try:
            return [loader(folder, train=train, download=download) for train in (True, False)]
        except (AssertionError, EOFError, ValueError) as error:
            raise ValueError(f"the files of {name} in {folder} are damaged: {error or type(error).__name__}") from None

    try:
        loaded = parts(download=False)
    except RuntimeError:
        if not download:
            raise _not_found(name, folder, also, "dataset.download is false") from None
        missing = [path for path in (folder / name, *(folder / name).parents) if not path.exists()]
        try:
            loaded = parts(download=True)
        except (OSError, RuntimeError) as error:
            _remove_empty(missing)
            reason = str(error).strip().splitlines()[-1]
            raise _not_found(name, folder, also, f"the download failed: {reason}") from None
    return [(torch.as_tensor(part.data), torch.as_tensor(part.targets)) for part in loaded]


def _remove_empty(made: list[Path]) -> None:
    """Take back the folders that a download made before it failed; what it did fetch stays."""
    with contextlib.suppress(OSError):
        for inner in made[0].glob("*") if made else ():
            inner.rmdir()
        for folder in made:
            folder.rmdir()


def _not_found(name: str, folder: Path, also: str, why: str) -> DataNotFound:
    places = f"{folder / name}" if name != "CIFAR10" else f"{folder / 'cifar-10-batches-py'}"
    return DataNotFound(
        f"{name} is not on disk, and {why}\n"
        f"looked in {places}{f' and {also}' if also else ''} (dataset.root, or the variable LTH_DATA)\n"
        "embedded data sets that need no download: digits, mnist_5k"
    )
