"""What the tests share: tiny networks in process, and the real command line in a folder of its own."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)
# A shell that runs the tests in its background has Ctrl-C ignored, and all that they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

Lth = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def subnormal_numbers() -> Iterator[None]:
    """A run in this process flushes them to zero; hypothesis needs them."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture
def lth(tmp_path: Path) -> Lth:
    """Run the real command line in an empty folder: ``lth("run", "rounds=1")``."""

    def run(*arguments: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lth_cli", *arguments],
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def only_run(folder: Path) -> Path:
    """The one run or sweep directory below `folder`/outputs."""
    (path,) = (path for day in (folder / "outputs").iterdir() for path in day.iterdir())
    return path


def history(run: Path) -> list[dict[str, str]]:
    """The rows of a run's history.csv, as text."""
    with open(run / "history.csv") as file:
        return list(csv.DictReader(file))
