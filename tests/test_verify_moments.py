"""What optimizers remember, where tickets restart with it: verify and resume find that it is gone, or cannot be."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.interrupted import results, start
from tests.lies import believed, wrong

SAVED, TRAINED = ("rewind=late", "replicates=2"), ("rewind=learning_rate", "replicates=2", "dense_retrained=true")
PLACES = [(SAVED, "rounds/00/rewind_seed1.safetensors"), (TRAINED, "rounds/01/winning_seed1.safetensors")]
LIES: dict[str, Callable[[str, torch.Tensor], torch.Tensor | None]] = {
    "gone": lambda name, t: None,
    "shape": lambda name, t: torch.ones(7),
    "not a number": lambda name, t: t * torch.nan,
    "bool": lambda name, t: t > 0,
    "a square below zero": lambda name, t: -t.abs() - 1 if "second" in name else t,
}


def lie(file: Path, what: str) -> None:
    tensors = load_file(file)
    found = {name: LIES[what](name, t) if name.startswith("moments/") else t for name, t in tensors.items()}
    save_file({name: t for name, t in found.items() if t is not None}, file)


@pytest.mark.parametrize("what", LIES)
@pytest.mark.parametrize(("changes", "name"), PLACES, ids=["saved", "trained"])
def test_moments_that_cannot_be_are_found_and_made_again(
    changes: tuple[str, ...], name: str, what: str, finished: Callable[..., Path], tmp_path: Path
) -> None:
    whole = finished(*changes)
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    lie(run / name, what)
    believed(run)
    (line,) = wrong(run)["moments"]
    assert line.startswith(f"{name}: moments/")
    shutil.rmtree(run / "rounds" / "03")
    start(run, *changes, resume=True)
    notes = json.loads((run / "run.json").read_text())["notes"]
    assert line in notes
    assert f"going on with round {int(name[7:9])}" in notes
    assert results(run) == results(whole)
    assert wrong(run) == {}


@pytest.mark.parametrize(
    "changes",
    [
        ("rewind=late", "rewind.optimizer=fresh"),
        ("rewind=none", "train=sgd"),
        ("rewind=none", "train=sgd", "train.momentum=0"),
        ("rewind=learning_rate", "pruner=edge_popup"),
        ("rewind=early", "rewind.iteration=0it"),
        ("rewind=late", "executor=stacked", "replicates=2"),
        ("rewind=learning_rate", "executor=stacked", "replicates=2", "precision=bf16"),
    ],
)
def test_moments_of_any_kind_are_in_order(changes: tuple[str, ...], tmp_path: Path) -> None:
    start(tmp_path, *changes)
    assert wrong(tmp_path) == {}
    shutil.rmtree(tmp_path / "rounds" / "03")
    start(tmp_path, *changes, resume=True)
    assert "going on with round 3" in json.loads((tmp_path / "run.json").read_text())["notes"]
