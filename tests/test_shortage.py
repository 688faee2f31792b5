"""What a machine may lack in the middle of the work: disk, memory, open files. A line says it, and nothing is lost."""

import mmap
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lth_cli.core.faults import MEMORY, lack
from lth_cli.core.files import TEMPORARY
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.read import read
from lth_cli.training.curves import Curves
from lth_cli.training.evaluate import Evaluation
from tests.command import Lth, history, only_run
from tests.soak import COMMAND, WORK, popen, until_begun


def stopped_by_a_full_disk(folder: Path, kilobytes: int, options: str, file: str) -> Path:
    """A run that ended in an error, as no file may be larger and `file` would have been; nothing is half there."""
    limited = f"ulimit -f {kilobytes}; exec {' '.join(COMMAND)} {options}"
    done = subprocess.run(["bash", "-c", limited], cwd=folder, capture_output=True, text=True)
    run = only_run(folder)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"lth: {run}/{file}: File too large",
        f"     to go on: lth run resume={run.relative_to(folder)}",
    ]
    assert not list(run.rglob(f"*{TEMPORARY}"))
    return run


def test_a_full_disk_is_an_error_and_the_run_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """The limit is on the size of a file: the learning curves outgrow it in round 3."""
    options = "rounds=4 train.iterations=150it eval_every=1it model.hidden=[8] controls=[]"
    run = stopped_by_a_full_disk(tmp_path, 60, options, "curves.csv")
    assert read(run).status == "failed"
    rounds = reopen(run).rounds
    assert 1 <= rounds < 5
    assert reopen(run).broken == []  # what could not be written was not promised
    before = history(run)
    resumed = subprocess.run([*COMMAND, f"resume={run}"], cwd=tmp_path, capture_output=True, text=True)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert history(run)[:rounds] == before[:rounds]
    assert not any(check.wrong for check in verify(run))


def test_a_disk_that_is_full_at_a_checkpoint_is_an_error_and_the_run_goes_on(tmp_path: Path) -> None:
    """A checkpoint holds the optimizer's moments, too, and so outgrows the limit before any other file."""
    options = "rounds=1 train.iterations=50it checkpoint_every=20it executor=serial model.hidden=[60] controls=[]"
    run = stopped_by_a_full_disk(tmp_path, 64, options, "partial/00_dense_seed0.safetensors")
    resumed = subprocess.run([*COMMAND, f"resume={run}"], cwd=tmp_path, capture_output=True, text=True)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert not (run / "partial").exists()
    assert not any(check.wrong for check in verify(run))


def test_a_run_directory_that_vanishes_is_an_error_and_is_not_begun_anew(tmp_path: Path) -> None:
    process = popen(*WORK, "rounds=200", "sparsity.target=0.5", cwd=tmp_path)
    path = until_begun(process, tmp_path)
    assert process.stdout is not None
    assert "round  0/200" in process.stdout.readline()
    shutil.rmtree(path.rename(tmp_path / "removed"), ignore_errors=True)  # at once, whatever is being written there
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.startswith(f"lth: {path}")
    assert "No such file or directory" in errors
    assert not path.exists()


def test_a_read_only_folder_is_an_error(run: Path, tmp_path: Path) -> None:
    """Nothing is read-only to root, who therefore becomes nobody once a first command has imported all."""
    code = (
        "import os, sys\nfrom lth_cli.cli import main\ntyped = sys.argv[1:]\nmain(['run', 'model=lenet5'])\n"
        "if os.geteuid() == 0:\n    os.setuid(65534)\nsys.exit(main(typed))"
    )
    for folder in (run, tmp_path):
        folder.chmod(0o555)
    for arguments, path in (((), "outputs"), (("resume=run",), "run/.lock")):
        command = [sys.executable, "-c", code, "run", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[1:] == [f"lth: {path}: Permission denied"]
    tmp_path.chmod(0o755)


def test_too_little_memory_is_said_in_one_line(lth: Lth, tmp_path: Path) -> None:
    """Where the network itself is too large, no smaller batch would help."""
    done = lth("run", "model.hidden=[1000000000000]", "controls=[]", "rounds=1")
    assert (done.returncode, done.stdout) == (1, "")
    words = "out of memory: the network is too large for images of (1, 8, 8): 75,000,000,000,010 parameters, "
    assert f"{words}64,000,000,000,000 of them in fc1.weight\n" in done.stderr
    for hidden in (10**18, 10**20):
        done = lth("run", f"model.hidden=[{hidden}]")
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert f"model=lenet_300_100 (hidden=[{hidden}]): too large: " in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_too_little_memory_for_the_work_is_said_in_one_line(
    lth: Lth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(self: Curves, row: int, point: Evaluation) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(Curves, "add", add)
    done = lth("run", "controls=[]", "rounds=1", "executor=serial")
    assert done.returncode == 1
    assert done.stderr.startswith("lth: out of memory: a smaller train.batch_size")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("sweep", ["", "-m seed=0,1"])
def test_a_limit_on_memory_below_what_the_libraries_take_is_said_in_one_line(sweep: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 400000; exec {' '.join(COMMAND)} {sweep}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "lth: out of memory\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
@pytest.mark.parametrize("ends", [False, True])
def test_a_limit_on_memory_a_little_above_is_said_before_any_folder_is_made(
    ends: bool, sweep: tuple[str, ...], lth: Lth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a library does not raise an error, but ends the process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    if ends:
        monkeypatch.setattr(mmap, "mmap", lambda *arguments: os.kill(os.getpid(), signal.SIGKILL))
    resource.setrlimit(resource.RLIMIT_AS, (pages * mmap.PAGESIZE + 2**27, hard))
    try:
        done = lth("run", *sweep, "controls=[]", "rounds=1")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "lth: out of memory\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["lth_cli.pruners.magnitude", "lth_cli.models.mlp", "lth_cli.datasets.digits"])
@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1")], ids=["run", "sweep"])
def test_a_lack_of_memory_while_all_is_set_up_is_no_wrong_config(
    place: str, sweep: tuple[str, ...], lth: Lth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*arguments: object, **named: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(place, lacking)
    done = lth("run", *sweep, "controls=[]", "rounds=1")
    who = ["seed=0: ", "seed=1: "] if sweep else [""]
    words = "out of memory: a smaller train.batch_size, fewer replicates or executor=serial needs less"
    assert (done.returncode, done.stderr.splitlines()) == (1, [f"lth: {one}{words}" for one in who])
    assert not list(tmp_path.iterdir())


def test_too_few_open_files_are_said_in_one_line(lth: Lth, tmp_path: Path) -> None:
    """Each worker process takes some; the second job of a sweep has as many as the first."""
    options = ("rounds=1", "replicates=4", "train.iterations=4it", "controls=[]", "executor=processes")
    assert lth("run", *options, "output=enough").returncode == 0  # which imports all, once
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = {int(number) for number in os.listdir("/proc/self/fd")}
    torch.set_num_threads(4)
    resource.setrlimit(resource.RLIMIT_NOFILE, ([n for n in range(1000) if n not in taken][10], hard))
    try:
        ran, swept = lth("run", *options), lth("run", "-m", "seed=0,1", *options, "output=swept")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        torch.set_num_threads(1)
    words = "too many open files: allow more with ulimit -n"
    hint = f"     to go on: lth run resume={only_run(tmp_path).relative_to(tmp_path)}"
    assert (ran.returncode, ran.stderr) == (1, f"lth: {words}\n{hint}\n")
    assert (swept.returncode, swept.stderr) == (1, f"lth: seed=0: {words}\nlth: seed=1: {words}\n")
    assert "2 failed in " in swept.stdout


def test_an_error_that_is_its_own_cause_lacks_nothing() -> None:
    error = ValueError("a circle")
    error.__cause__ = error
    assert lack(error) is None
    error.__cause__ = MemoryError()
    assert lack(error) == MEMORY
