"""Folders of runs: never shared, never begun anew, with one writer each."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lth_cli.rundir.folders import Busy, discard, free_dir, sole_writer
from tests.command import only_run


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    wanted = tmp_path / "outputs" / "day" / "time_name"
    with ThreadPoolExecutor(16) as pool:
        got = {folder.path for folder in pool.map(lambda _: free_dir(str(wanted)), range(50))}
    assert len(got) == 50
    assert {wanted, Path(f"{wanted}-2"), Path(f"{wanted}-50")} <= got
    assert all(path.is_dir() for path in got)


def test_discard_removes_what_was_made_and_nothing_else(tmp_path: Path) -> None:
    folder = free_dir(str(tmp_path / "outputs" / "day" / "run"))
    assert folder.made == (tmp_path / "outputs" / "day", tmp_path / "outputs")
    discard(folder)
    assert not list(tmp_path.iterdir())
    discard(folder)
    (tmp_path / "outputs").mkdir()
    one = free_dir(str(tmp_path / "outputs" / "day" / "one"))
    two = free_dir(str(tmp_path / "outputs" / "day" / "two"))
    assert two.made == ()
    discard(one)
    assert two.path.is_dir()
    discard(two)
    assert (tmp_path / "outputs" / "day").is_dir()


def test_a_second_writer_is_refused_and_a_file_that_is_left_is_no_lock(tmp_path: Path) -> None:
    with sole_writer(tmp_path) as note:
        assert note is None
        with pytest.raises(Busy, match=f"^{tmp_path}: another process is writing it$"), sole_writer(tmp_path):
            pass
    assert [file.name for file in tmp_path.iterdir()] == [".lock"]
    with sole_writer(tmp_path):
        pass


def test_a_folder_that_vanished_is_not_made_again_to_be_locked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone/\.lock"), sole_writer(tmp_path / "gone"):
        pass
    assert not (tmp_path / "gone").exists()


HOLDER = """
import os, time
from pathlib import Path
from lth_cli.rundir.folders import sole_writer
with sole_writer(Path('.')):
    heard, told = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(told, b'begun')
        time.sleep(60)
    os.read(heard, 5)
    print(child, flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_lets_go_though_a_process_that_it_forked_lives(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(Busy), sole_writer(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with sole_writer(tmp_path):
            os.kill(child, 0)  # it lives
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()


LOCKLESS = """
import sys, warnings
warnings.simplefilter("ignore")
sys.modules["fcntl"] = None
from lth_cli.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_run_where_there_are_no_locks_goes_on_and_says_so_in_a_line(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-c", LOCKLESS, "run", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    said = "lth: {}: there are no locks here, so a second process in it would not be refused\n"
    errors = run("rounds=1", "train.iterations=1it", "controls=[]")
    path = only_run(tmp_path).relative_to(tmp_path)
    assert errors == said.format(path)
    assert run(f"resume={path}") == said.format(path)
    assert run("-m", "seed=0,1", "rounds=1", "train.iterations=1it", "controls=[]", "output=more").count("lth: ") == 1
