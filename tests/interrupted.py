"""Runs that are cut short in this process, and what of a run must be the same whether or not it was."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig
from rich.console import Console

from lth_cli.command.run import run
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.write import Writer
from lth_cli.training.jobs import Fitted
from tests.command import as_before, history
from tests.configs import compose

SHORT = (
    "train.iterations=4it",
    "eval_every=2it",
    "dataset.val_size=20",
    "dataset.test_size=20",
    "controls_at=all",
    "model.hidden=[8]",
    "rounds=3",
)
TIMED = ("train_seconds", "examples_per_second")


class Cut(Exception):
    """The moment a run is cut short."""


def config(*changes: str) -> DictConfig:
    return compose(*SHORT, *changes)


def start(path: Path, *changes: str, resume: bool = False) -> None:
    """A short run in `path`."""
    path.mkdir(parents=True, exist_ok=True)
    intact = reopen(path) if resume else None
    source: dict[str, Any] = {"choices": {}, "command": shlex.join(["lth", "run", *SHORT, *changes])}
    with as_before():
        run(config(*changes), path, source, Console(quiet=True), place=None, live=False, intact=intact)


def cut_after(path: Path, rounds: int, monkeypatch: pytest.MonkeyPatch, *changes: str) -> None:
    """A short run in `path` that is stopped before its round `rounds` is written."""
    written = Writer.round

    def stop(self: Writer, fitted: list[Fitted]) -> None:
        if fitted[0].job.round == rounds:
            raise Cut
        written(self, fitted)

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "round", stop)
        with pytest.raises(Cut):
            start(path, *changes)


def results(path: Path) -> dict[str, Any]:
    """All that a run found: its files byte for byte, and its history without times."""
    names = sorted(str(file.relative_to(path)) for file in path.rglob("*.safetensors"))
    found: dict[str, Any] = {name: (path / name).read_bytes() for name in [*names, "layers.csv", "curves.csv"]}
    found["history"] = [{k: v for k, v in row.items() if k not in TIMED} for row in history(path)]
    return found
