"""Real formats: the embedded sets, and small files that the tests write as torchvision and Debian would have them."""

import gzip
import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import datasets as tv

from lth_cli import datasets, models
from lth_cli.datasets.dataset import DataNotFound, Dataset, Split, validate
from lth_cli.datasets.fingerprint import fingerprint
from lth_cli.datasets.vision import read_idx
from lth_cli.training.trainer import to_device
from tests.command import Lth, only_run
from tests.formats import idx, write_folder, write_mnist
from tests.tiny import CPU, DATA, job, trainer


def rows(data: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in data}


def check_grey(data: Dataset) -> None:
    assert data.shape == (1, 28, 28)
    assert data.classes == 10
    assert [len(part) for part in (data.train, data.val, data.test)] == [32, 8, 10]
    # Image i was filled with i and labelled i % 10: images and labels are still together, and in order in test.
    assert data.test.labels.tolist() == list(range(10))
    assert data.test.images[:, 0, 0, 0].diff().gt(0).all()
    assert torch.cat([data.train.labels, data.val.labels]).bincount().tolist() == [4] * 10
    assert not rows(data.train.images) & rows(data.val.images)


@pytest.mark.parametrize(("name", "sizes"), [("digits", (1257, 180, 360)), ("mnist_5k", (3500, 500, 1000))])
def test_embedded_sets_are_split_into_disjoint_parts_that_never_change(name: str, sizes: tuple[int, int, int]) -> None:
    data = getattr(datasets, name)(val_size=sizes[1], test_size=sizes[2])
    again = getattr(datasets, name)(val_size=sizes[1], test_size=sizes[2])
    parts = (data.train, data.val, data.test)
    assert tuple(len(part) for part in parts) == sizes
    assert all(
        torch.equal(a.images, b.images) for a, b in zip(parts, (again.train, again.val, again.test), strict=True)
    )
    train, val, test = (rows(part.images) for part in parts)
    assert not train & val
    assert not train & test
    assert not val & test
    assert set(data.train.labels.tolist()) == set(range(10))
    assert data.train.images.mean().item() == pytest.approx(0, abs=1e-4)
    assert data.train.images.std().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("sizes", [(0, 10), (10, -1), (1000, 797), (True, 10), ("5", 10)])
def test_a_split_that_leaves_nothing_is_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"at least 1 example|leave no training examples of 1,797"):
        datasets.digits(*sizes)


def test_mnist_in_torchvisions_format(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST" / "raw", packed=False)
    check_grey(datasets.mnist(str(tmp_path), download=False, val_size=8))


def test_fashion_mnist_in_torchvisions_format(tmp_path: Path) -> None:
    write_mnist(tmp_path / "FashionMNIST" / "raw", packed=False)
    check_grey(datasets.fashion_mnist(str(tmp_path), download=False, val_size=8, debian=str(tmp_path / "none")))


def test_fashion_mnist_from_debians_package(tmp_path: Path) -> None:
    write_mnist(tmp_path / "debian", packed=True)
    check_grey(datasets.fashion_mnist(str(tmp_path), download=False, val_size=8, debian=str(tmp_path / "debian")))


def test_cifar10_in_torchvisions_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def write(name: str, content: dict[str, object]) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    red = np.zeros((20, 3, 32, 32), np.uint8)
    red[:, 0] = np.arange(20)[:, None, None]
    batch = {"data": red.reshape(20, -1), "labels": [i % 10 for i in range(20)]}
    meta_name, meta_md5 = write("batches.meta", {"label_names": list("abcdefghij")})
    monkeypatch.setattr(tv.CIFAR10, "train_list", [write("data_batch_1", batch)])
    monkeypatch.setattr(tv.CIFAR10, "test_list", [write("test_batch", batch)])
    monkeypatch.setattr(tv.CIFAR10, "meta", {"filename": meta_name, "key": "label_names", "md5": meta_md5})
    data = datasets.cifar10(str(tmp_path), download=False, val_size=5)
    assert data.shape == (3, 32, 32)
    assert [len(part) for part in (data.train, data.val, data.test)] == [15, 5, 20]
    assert data.test.images[:, 0, 5, 5].diff().gt(0).all()
    assert data.test.images[:, 1].unique().numel() == 1


def test_pickles_of_old_versions_of_torchvision_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "MNIST" / "processed").mkdir(parents=True)
    for file in ("training.pt", "test.pt"):
        (tmp_path / "MNIST" / "processed" / file).write_bytes(b"a pickle")
    with pytest.raises(DataNotFound, match="is not on disk"):
        datasets.mnist(str(tmp_path), download=False, val_size=5)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_missing_data_is_three_lines_what_where_and_what_else(name: str, tmp_path: Path) -> None:
    debian = {"debian": str(tmp_path / "none")} if name == "fashion_mnist" else {}
    with pytest.raises(DataNotFound) as caught:
        getattr(datasets, name)(root=str(tmp_path), download=False, val_size=5, **debian)
    what, where, instead = str(caught.value).splitlines()
    assert "is not on disk" in what
    assert "dataset.download is false" in what
    assert str(tmp_path) in where
    assert "digits, mnist_5k" in instead
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01\x00", "no IDX file of bytes: it starts with 00 00 0d 01"),
        (b"", "no IDX file"),
        (idx(np.zeros((3, 2, 2)))[:-1], "damaged: 27 bytes, 28 expected"),
        (idx(np.zeros((3, 2, 2))) + b"x", "damaged: 29 bytes, 28 expected"),
        (b"\x00\x00\x08\x03\x00", "damaged"),
    ],
)
def test_a_damaged_idx_file_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "images"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        read_idx(file)
    assert str(file) in str(caught.value)


def test_a_truncated_gzip_is_named(tmp_path: Path) -> None:
    file = tmp_path / "images.gz"
    file.write_bytes(gzip.compress(idx(np.zeros((3, 2, 2))))[:-6])
    with pytest.raises(ValueError, match=r"images.gz is damaged"):
        read_idx(file)


def folder(root: Path, **changes: Any) -> Dataset:
    options = {"size": 16, "mean": [0.5] * 3, "deviation": [0.25] * 3, "val_size": 4, "workers": 0, **changes}
    return datasets.image_folder(str(root), **options)


def test_images_in_folders_are_read_resized_and_normalised(tmp_path: Path) -> None:
    write_folder(tmp_path, 8)
    data = folder(tmp_path)
    assert (len(data.train), len(data.val), len(data.test), data.classes) == (12, 4, 16, 2)
    assert data.shape == (3, 16, 16)
    test = data.test.take(torch.tensor([9]))
    assert test.labels.tolist() == [1]
    expected = (torch.tensor([41, 10, 110]) / 255 - 0.5) / 0.25
    torch.testing.assert_close(test.images[0], expected.view(3, 1, 1).expand(3, 16, 16))
    images = torch.cat([x for x, _ in data.test.batches(5)])
    torch.testing.assert_close(images, data.test.take(torch.arange(16)).images)


@pytest.mark.parametrize("workers", [0, 2])
def test_training_on_a_stream_equals_training_in_memory(tmp_path: Path, workers: int) -> None:
    """Same order, same batches, same bits, however many processes read."""
    write_folder(tmp_path, 30)
    streamed = folder(tmp_path, size=4, workers=workers)
    there = Dataset(*(s.take(torch.arange(len(s))) for s in (streamed.train, streamed.val, streamed.test)), classes=2)

    def build() -> nn.Module:
        return models.mlp((3, 4, 4), 2, [6])

    (one, other) = (
        replace(trainer(build), data=to_device(data, CPU)).train([job(build)]) for data in (streamed, there)
    )
    assert one[0].curve == other[0].curve
    assert all(torch.equal(p, other[0].state.params[n]) for n, p in one[0].state.params.items())


def test_folders_that_are_not_there_or_differ_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"dataset\.root="):
        folder(tmp_path)
    write_folder(tmp_path, 8)
    (tmp_path / "val" / "dog").rename(tmp_path / "val" / "wolf")
    with pytest.raises(ValueError, match=r"different classes: dog, wolf"):
        folder(tmp_path)


DAMAGED = [
    ("train-labels-idx1-ubyte", idx(np.full(40, 12)), r"label 12 of image 0 is not one of 0 to 9"),
    ("t10k-labels-idx1-ubyte", idx(np.array([*range(9), 200])), r"label 200 of image 9 is not one of 0 to 9"),
    ("train-labels-idx1-ubyte", idx(np.zeros(39)), r"labels \(39,\), train-images-idx3-ubyte\S* 40 images"),
    ("t10k-images-idx3-ubyte", idx(np.zeros((10, 27, 28))), r"images of \(27, 28\), others of \(28, 28\)"),
    ("train-images-idx3-ubyte", idx(np.zeros((40, 28))), r"an array of \(40, 28\), no images"),
    ("train-images-idx3-ubyte", idx(np.zeros((0, 28, 28))), r"an array of \(0, 28, 28\), no images"),
    ("train-images-idx3-ubyte", idx(np.zeros((40, 28, 28)))[:-9], r"damaged: 31,367 bytes, 31,376 expected"),
    ("train-images-idx3-ubyte", b"\x00\x00\x0d\x03" + bytes(12), r"it starts with 00 00 0d 03"),
    ("train-labels-idx1-ubyte", b"\x00\x00\x08\x01\xff\xff\xff\xff", r"damaged: 8 bytes, 4,294,967,303 expected"),
]


@pytest.mark.parametrize(("name", "content", "words"), DAMAGED, ids=[words for _, _, words in DAMAGED])
@pytest.mark.parametrize("debian", [False, True])
def test_damaged_data_is_named_with_its_file_and_place(
    debian: bool, name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    raw = tmp_path / "FashionMNIST" / "raw"
    write_mnist(raw, packed=debian)
    file = raw / f"{name}.gz" if debian else raw / name
    file.write_bytes(gzip.compress(content) if debian else content)
    with pytest.raises(ValueError, match=words) as caught:
        datasets.fashion_mnist(str(tmp_path), False, 8, str(raw) if debian else str(tmp_path / "none"))
    assert str(file) in str(caught.value)


def other(what: str) -> Dataset:
    """A tiny data set with one thing wrong."""
    images, labels = DATA.train.images.clone(), DATA.train.labels.clone()
    test = DATA.test
    if what == "nan":
        images[7, 0, 1, 2] = float("nan")
    elif what == "label":
        labels[5] = 3
    elif what == "negative":
        labels[5] = -1
    elif what == "one class":
        labels[:] = 2
    elif what == "sizes":
        test = Split(test.images[:, :, :3], test.labels)
    elif what == "lengths":
        test = Split(test.images, test.labels[1:])
    return Dataset(Split(images, labels), DATA.val, test, DATA.classes)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nan", "train: pixel 6 of image 7 is nan"),
        ("label", "train: label 3 of image 5 is not one of 0 to 2"),
        ("negative", "train: label -1 of image 5"),
        ("one class", "train: all images have the label 2"),
        ("sizes", r"test: images of \(1, 3, 4\), those of train are \(1, 4, 4\)"),
        ("lengths", r"test: images \(30, 1, 4, 4\) and labels \(29,\)"),
    ],
)
def test_data_that_cannot_be_is_named_with_its_place(what: str, words: str) -> None:
    validate(DATA)
    with pytest.raises(ValueError, match=words):
        validate(other(what))


def test_images_that_are_in_two_splits_are_counted() -> None:
    """Whatever the last bits of their normalisation."""
    digest, shared = fingerprint(DATA)
    assert shared == {}
    test = Split(torch.cat([DATA.test.images, DATA.train.images[:3] * (1 + 1e-7)]), torch.zeros(33, dtype=torch.int64))
    changed, counted = fingerprint(Dataset(DATA.train, DATA.val, test, DATA.classes))
    assert counted == {"test_train": 3}
    assert changed != digest


def test_duplicates_are_said_once_and_recorded(lth: Lth, tmp_path: Path) -> None:
    """Each of the ten test images is also a training image, of which 8 of 40 are validation images."""
    write_mnist(tmp_path / "data" / "MNIST" / "raw", packed=False)
    options = ("dataset=mnist", "dataset.root=data", "dataset.val_size=8", "train.batch_size=8", "model.hidden=[8]")
    ran = lth("run", *options, "rounds=1", "train.iterations=4it", "controls=[]")
    assert (ran.returncode, ran.stderr) == (0, "")
    record = json.loads((only_run(tmp_path) / "run.json").read_text())
    assert sum(record["duplicates"].values()) == 10
    assert record["duplicates"].keys() == {"test_train", "test_val"}
    notes = [f"data: {n} images of {key.replace('_', ' are also in ')}" for key, n in record["duplicates"].items()]
    assert record["notes"] == notes
    assert [line for line in ran.stdout.splitlines() if "are also in" in line] == notes


def test_where_nothing_is_twice_nothing_is_said(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert (record["duplicates"], record.get("notes", [])) == ({}, [])
