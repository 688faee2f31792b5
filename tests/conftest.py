"""What the tests share: the command line, in this process or in one of its own, and runs that several tests read."""

import faulthandler
import importlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from lth_cli.cli import main
from tests.command import Lth, as_before
from tests.interrupted import start

torch.set_num_threads(1)
# A shell that runs the tests in its background has Ctrl-C ignored, and all that they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def subnormal_numbers() -> Iterator[None]:
    """A run in this process flushes them to zero; hypothesis needs them."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture
def lth(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Lth:
    """Run a command line in this process, in an empty folder: ``lth("run", "rounds=1")``."""

    def run(*arguments: str, cwd: Path = tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        with as_before():
            os.chdir(cwd)
            os.environ.update(environment)
            sys.path.insert(0, str(cwd))  # as `python -m lth_cli` does
            importlib.invalidate_caches()
            try:
                code = main(arguments)
            except SystemExit as end:  # argparse's --help
                code = int(end.code or 0)
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return run


@pytest.fixture
def lth_process(tmp_path: Path) -> Lth:
    """Run the real command line in a process of its own, with all that starting and ending one brings."""

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


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A short run with these changes, made once and only read: ``finished("rewind=late")``."""
    made: dict[tuple[str, ...], Path] = {}

    def find(*changes: str) -> Path:
        if changes not in made:
            made[changes] = tmp_path_factory.mktemp("finished") / "run"
            start(made[changes], *changes)
        return made[changes]

    return find


@pytest.fixture
def run(finished: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of a finished run, to do with what one likes."""
    return Path(shutil.copytree(finished(), tmp_path / "run"))


@pytest.fixture
def limited(lth: Lth) -> Lth:
    """A command that may neither hang nor take much memory."""

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        before = resource.getrlimit(resource.RLIMIT_AS)
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + 8 * 2**30, before[1]))
        faulthandler.dump_traceback_later(120, exit=True)
        try:
            return lth(*arguments, cwd=cwd)
        finally:
            faulthandler.cancel_dump_traceback_later()
            resource.setrlimit(resource.RLIMIT_AS, before)

    return run
