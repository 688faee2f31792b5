"""What a command does to the process it runs in, and the folders it leaves."""

import csv
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf.basecontainer import BaseContainer

Lth = Callable[..., subprocess.CompletedProcess[str]]


@contextmanager
def as_before() -> Iterator[None]:
    """Within, a command may change this process as if it ended with it; then all of that is put back."""
    folder, typed, searched, environment = os.getcwd(), sys.argv, list(sys.path), dict(os.environ)
    imported, resolvers, hydras = set(sys.modules), dict(BaseContainer._resolvers), HydraConfig.instance().cfg
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    heard = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    deterministic, tf32 = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.allow_tf32
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    try:
        yield
    finally:
        here = os.getcwd()
        os.chdir(folder)
        sys.argv, sys.path[:] = typed, searched
        os.environ.clear()
        os.environ.update(environment)
        # A user's own, of which the next test may have another; where the tests began lie the libraries, too.
        for name in set(sys.modules) - imported if here != folder else ():
            if str(getattr(sys.modules[name], "__file__", None)).startswith(here):
                del sys.modules[name]
        BaseContainer._resolvers.update(resolvers)
        HydraConfig.instance().cfg = hydras
        root.handlers[:] = handlers
        root.setLevel(level)
        for number, handler in heard.items():
            signal.signal(number, handler)
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(deterministic)
        torch.backends.cudnn.allow_tf32 = tf32
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.set_flush_denormal(False)


def only_run(folder: Path) -> Path:
    """The one run or sweep directory below `folder`/outputs."""
    (path,) = (path for day in (folder / "outputs").iterdir() for path in day.iterdir())
    return path


def history(run: Path) -> list[dict[str, str]]:
    """The rows of a run's history.csv, as text."""
    with open(run / "history.csv") as file:
        return list(csv.DictReader(file))
