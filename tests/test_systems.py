"""Systems that are no Linux: what they lack is taken away before anything of ours is imported.

Torch, which there is for each of them, is imported before: it asks for the system's name and not for what it has.
"""

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import ctypes, multiprocessing.context, os, signal, sys, warnings
import torch
warnings.filterwarnings("ignore", "only soft file lock is available")  # what filelock says on such a Linux
load = ctypes.CDLL

class Library(load):
    def __init__(self, name, *more, **options):
        if name is None:
            raise TypeError("there is no library without a name")
        super().__init__(name, *more, **options)

ctypes.CDLL = Library
for name in ("fcntl", "pwd", "grp", "resource", "termios"):
    sys.modules[name] = None
for name in ("fork", "forkpty", "register_at_fork", "getuid", "geteuid"):
    delattr(os, name)
for name in ("SIGALRM", "alarm", "setitimer", "SIGKILL", "SIGHUP"):
    delattr(signal, name)
for name in ("ForkProcess", "ForkContext"):
    delattr(multiprocessing.context, name)
"""
TICKET = """
import lth_cli
mask, weights = {"w": torch.tensor([True, False])}, {"w": torch.tensor([1.5, 2.5])}
lth_cli.Ticket(mask, weights, {}, {"round": 1}).save("ticket.safetensors")
ticket = lth_cli.Ticket.load("ticket.safetensors")
print(ticket.state_dict()["w"].tolist(), dict(ticket.metadata))
"""
RUN = """
from lth_cli.cli import main
words = ["rounds=1", "train.iterations=1it", "controls=[]", "executor=serial", "hydra.run.dir=run"]
print([main(words) for words in (["run", *words], ["verify", "run"], ["compare", "run"])])
"""


def without(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", WITHOUT + code], cwd=cwd, capture_output=True, text=True)


def test_a_ticket_is_saved_and_loaded_anywhere(tmp_path: Path) -> None:
    done = without(TICKET, tmp_path)
    assert (done.stderr, done.stdout) == ("", "[1.5, 0.0] {'round': 1}\n")


@pytest.mark.parametrize("module", ["cli", "command.launch", "command.run", "rundir.folders", "core.signals"])
def test_every_module_is_imported_anywhere(module: str, tmp_path: Path) -> None:
    done = without(f"import lth_cli.{module}", tmp_path)
    assert (done.stderr, done.returncode) == ("", 0)


def test_one_network_at_a_time_is_trained_and_verified_anywhere(tmp_path: Path) -> None:
    done = without(RUN, tmp_path)
    assert done.stdout.endswith("[0, 0, 0]\n"), done.stderr
    assert done.stderr == "lth: run: there are no locks here, so a second process in it would not be refused\n"
