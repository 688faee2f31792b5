"""What docs/extending.md says is refused before any work: choices of one's own that are not what they must be."""

from pathlib import Path

import pytest

from tests.command import Lth

MINE = """
import torch

from lth_cli.core.state import Start
from lth_cli.datasets.dataset import Dataset, Split


class Density:
    def __init__(self, density):
        self.density = density

    def __call__(self, round, rounds):
        return self.density


class Rewind:
    def __init__(self, at, iterations):
        self.at, self.iterations = at, iterations

    def saved_at(self, total, per_epoch):
        return self.at

    def restart(self, saved, trained, at, total):
        return Start(saved, 0, 0, self.iterations)


def score(view, wrong):
    scores = {name: view.params[name].abs() for name in view.mask}
    if wrong == "missing":
        del scores["fc1.weight"]
    if wrong == "shape":
        scores["fc1.weight"] = scores["fc1.weight"][0]
    if wrong == "complex":
        scores["fc1.weight"] = scores["fc1.weight"] + 1j
    if wrong == "not a number":
        scores["fc1.weight"][0, 0] = torch.nan
    if wrong == "error":
        raise RuntimeError("of my own")
    return scores


def split(n):
    return Split(torch.randn(n, 1, 4, 4), torch.arange(n) % 3)


def data(wrong):
    train, val, test = split(90), split(30), split(30)
    if wrong == "empty":
        val = split(0)
    if wrong == "shape":
        val = Split(torch.randn(30, 1, 5, 5), val.labels)
    if wrong == "pixel":
        test.images[2, 0, 0, 0] = torch.inf
    if wrong == "label":
        val.labels[3] = 3
    if wrong == "one class":
        train.labels[:] = 1
    if wrong == "size":
        raise ValueError("size=0: at least 1")
    return Dataset(train, val, test, 3)
"""
YAML = {
    "sparsity": "_target_: mine.Density\ndensity: 0.5\n",
    "rewind": "_target_: mine.Rewind\nat: 0\niterations: 2\n",
    "pruner": "defaults: [magnitude]\nscore: {_target_: mine.score, wrong: nothing}\n",
    "dataset": "_target_: mine.data\nwrong: nothing\n",
}
SHORT = ("rounds=1", "train.iterations=2it", "train.batch_size=10", "controls=[]", "model.hidden=[8]")


@pytest.fixture
def mine(lth: Lth, tmp_path: Path) -> Lth:
    (tmp_path / "mine.py").write_text(MINE)
    for group, text in YAML.items():
        (tmp_path / "own" / group).mkdir(parents=True)
        (tmp_path / "own" / group / "mine.yaml").write_text(text)
    return lambda *options: lth("run", "--config-dir", "own", *SHORT, *options)


def test_what_is_as_it_must_be_runs(mine: Lth) -> None:
    assert mine(*(f"{group}=mine" for group in YAML)).returncode == 0


@pytest.mark.parametrize(
    ("choice", "wrong", "said"),
    [
        ("sparsity", "density=0", "round 1 would keep none"),
        ("sparsity", "density=1.5", "round 1 would keep more than round 0"),
        ("rewind", "at=-1", "saved_at is -1, no iteration from 0 to 1"),
        ("rewind", "at=2", "saved_at is 2, no iteration from 0 to 1"),
        ("rewind", "iterations=0", "tickets would not be trained at all"),
        ("pruner", "score.wrong=missing", "no score for each weight of fc1.weight"),
        ("pruner", "score.wrong=shape", "no score for each weight of fc1.weight"),
        ("pruner", "score.wrong=complex", "complex scores for fc1.weight"),
        ("pruner", "score.wrong='not a number'", "NaN for a weight of fc1.weight"),
        ("pruner", "score.wrong=error", "RuntimeError: of my own"),
        ("dataset", "wrong=empty", "val: images (0, 1, 4, 4)"),
        ("dataset", "wrong=shape", "val: images of (1, 5, 5), those of train are (1, 4, 4)"),
        ("dataset", "wrong=pixel", "test: pixel 0 of image 2 is inf"),
        ("dataset", "wrong=label", "val: label 3 of image 3 is not one of 0 to 2"),
        ("dataset", "wrong='one class'", "train: all images have the label 1"),
        ("dataset", "wrong=size", "size=0: at least 1"),
    ],
)
def test_what_is_refused(choice: str, wrong: str, said: str, mine: Lth, tmp_path: Path) -> None:
    done = mine(f"{choice}=mine", f"{choice}.{wrong}")
    assert done.returncode == 2
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"lth: {choice}=mine")
    assert said in line
    assert not (tmp_path / "outputs").exists()
