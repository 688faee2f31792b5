"""Faults that befall a run from outside, each done for real: nothing is lost, and what goes on is the same run."""

import json
import mmap
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nan
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from lth_cli import models
from lth_cli.core.files import TEMPORARY
from lth_cli.results.verify import verify
from lth_cli.rundir.folders import sole_writer
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.read import read
from lth_cli.training.curves import Curves, Diverged
from lth_cli.training.evaluate import Evaluation
from tests.command import Lth, history, only_run
from tests.interrupted import cut_after, results, start
from tests.soak import COMMAND, EXECUTORS, WORK, killed_run, popen, until_begun


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_run_that_is_killed_again_and_again_is_bit_identical(lth: Lth, tmp_path: Path, executor: str) -> None:
    began = time.monotonic()
    assert lth("run", *WORK, f"executor={executor}").returncode == 0
    seconds = time.monotonic() - began
    path, kills = killed_run(tmp_path / "killed", executor, 2, seconds / 2, random.Random(3))
    assert kills == 2
    assert results(path) == results(only_run(tmp_path))
    assert 1 <= len(json.loads((path / "run.json").read_text())["resumed"]) <= kills


TELLING = """
import sys
from lth_cli.rundir.checkpoints import Checkpoints
load = Checkpoints.load
def told(self, jobs):
    before = load(self, jobs)
    if before is not None:
        print('goes on at', before.done, file=sys.stderr, flush=True)
    return before
Checkpoints.load = told
from lth_cli.cli import main
sys.exit(main(sys.argv[1:]))
"""
LONG = ("rounds=1", "replicates=2", "controls=[]", "train.iterations=1500it", "eval_every=100it", "model.hidden=[60]")


def nobody_left(process: subprocess.Popen[str]) -> bool:
    """Whether a process that ended has left nobody of its group behind."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("executor", EXECUTORS)
def test_sigterm_in_a_training_keeps_it_and_it_goes_on_bit_identical(lth: Lth, tmp_path: Path, executor: str) -> None:
    """In the middle of round 1. Worker processes that are told too, as Slurm does, change nothing."""
    options = (*LONG, f"executor={executor}")
    process = popen(*options, cwd=tmp_path)
    path = until_begun(process, tmp_path)
    assert process.stdout is not None
    assert "round  0/1" in process.stdout.readline()
    time.sleep(0.3)
    began = time.monotonic()
    if executor == "processes":
        os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()
    _, errors = process.communicate(timeout=10)
    assert time.monotonic() - began < 10
    assert process.returncode == 143, errors
    assert errors == f"lth: interrupted\n     to go on: lth run resume={path.relative_to(tmp_path)}\n"
    assert nobody_left(process)
    assert read(path).status == "interrupted"
    assert reopen(path).rounds == 1
    kept = [json.loads(safe_open(file, "pt").metadata()["progress"])["done"] for file in path.glob("partial/*")]
    assert len(kept) == (2 if executor == "processes" else 1)
    assert all(0 < done < 1500 for done in kept)
    command = [sys.executable, "-c", TELLING, "run"]
    resumed = popen(f"resume={path}", f"executor={executor}", cwd=tmp_path, command=command)
    _, errors = resumed.communicate()
    assert (resumed.returncode, sorted(errors.splitlines())) == (0, sorted(f"goes on at {done}" for done in kept))
    assert not (path / "partial").exists()
    (tmp_path / "whole").mkdir()
    assert lth("run", *options, cwd=tmp_path / "whole").returncode == 0
    assert results(path) == results(only_run(tmp_path / "whole"))


def test_ctrl_c_reaches_the_whole_group_and_nobody_is_left(tmp_path: Path) -> None:
    """As a terminal sends it: worker processes leave it to their parent, who asks them to keep what they have."""
    process = popen(*LONG, "train.iterations=100000it", "executor=processes", cwd=tmp_path)
    path = until_begun(process, tmp_path)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130, errors
    assert errors == f"lth: interrupted\n     to go on: lth run resume={path.relative_to(tmp_path)}\n"
    assert nobody_left(process)
    assert len(list(path.glob("partial/*.safetensors"))) == 2


def test_sigterm_ends_in_order_and_the_run_goes_on(tmp_path: Path) -> None:
    process = popen(*WORK, "rounds=200", "sparsity.target=0.5", cwd=tmp_path)
    path = until_begun(process, tmp_path)
    assert process.stdout is not None
    while "round  1/200" not in process.stdout.readline():
        assert process.poll() is None
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 143, errors
    assert errors == f"lth: interrupted\n     to go on: lth run resume={path.relative_to(tmp_path)}\n"
    assert read(path).status == "interrupted"
    assert reopen(path).rounds >= 2


def test_sigterm_ends_a_sweep_in_worker_processes(tmp_path: Path) -> None:
    process = popen("-m", "hydra/launcher=joblib", "seed=0,1", "train.iterations=4000ep", cwd=tmp_path)
    while len(list(tmp_path.glob("outputs/*/*/*/run.json"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 143, errors
    assert "Traceback" not in errors
    assert f"to go on: lth run resume={only_run(tmp_path).relative_to(tmp_path)}" in errors


def test_a_full_disk_is_an_error_and_the_run_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """The limit is on the size of a file: the learning curves outgrow it in round 3."""
    options = "rounds=4 train.iterations=150it eval_every=1it model.hidden=[8] controls=[]"
    limited = f"ulimit -f 60; exec {' '.join(COMMAND)} {options}"
    done = subprocess.run(["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True)
    run = only_run(tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"lth: {run}/curves.csv: File too large",
        f"     to go on: lth run resume={run.relative_to(tmp_path)}",
    ]
    assert read(run).status == "failed"
    assert not list(run.rglob(f"*{TEMPORARY}"))
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
    limited = f"ulimit -f 64; exec {' '.join(COMMAND)} {options}"
    done = subprocess.run(["bash", "-c", limited], cwd=tmp_path, capture_output=True, text=True)
    run = only_run(tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"lth: {run}/partial/00_dense_seed0.safetensors: File too large",
        f"     to go on: lth run resume={run.relative_to(tmp_path)}",
    ]
    assert not list(run.rglob(f"*{TEMPORARY}"))
    resumed = subprocess.run([*COMMAND, f"resume={run}"], cwd=tmp_path, capture_output=True, text=True)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert not (run / "partial").exists()
    assert not any(check.wrong for check in verify(run))


def test_a_run_directory_that_vanishes_is_an_error_and_is_not_begun_anew(tmp_path: Path) -> None:
    process = popen(*WORK, "rounds=200", "sparsity.target=0.5", cwd=tmp_path)
    path = until_begun(process, tmp_path)
    assert process.stdout is not None
    assert "round  0/200" in process.stdout.readline()
    shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)
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


def test_a_worker_that_is_killed_is_named_with_the_signal(
    lth: Lth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, before = os.getpid(), models.mlp

    def deadly(**options: object) -> object:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return before(**options)

    monkeypatch.setattr(models, "mlp", deadly)
    done = lth("run", "executor=processes", "replicates=2", "controls=[]", "rounds=1")
    run = only_run(tmp_path).relative_to(tmp_path)
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [
            "lth: round 0, dense, seed 0: its worker process ended early, signal 9; out of memory?",
            f"     to go on: lth run resume={run}",
        ],
    )


def diverge(monkeypatch: pytest.MonkeyPatch, *places: tuple[int, str, int]) -> None:
    """Make the trainer meet a loss that is not finite in these rounds, arms and seeds."""
    added = Curves.add

    def add(self: Curves, row: int, point: Evaluation) -> None:
        job = self.jobs[row]
        added(self, row, replace(point, train_loss=nan) if (job.round, job.arm, job.seed) in places else point)

    monkeypatch.setattr(Curves, "add", add)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_arm_that_diverges_is_recorded_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    changes = ("replicates=3", "on_divergence=skip", f"executor={executor}")
    start(tmp_path / "good", *changes)
    diverge(monkeypatch, (1, "random_mask", 0), (2, "winning", 1))
    start(tmp_path / "bad", *changes)
    good, bad = ({(r["round"], r["arm"], r["seed"]): r for r in history(tmp_path / n)} for n in ("good", "bad"))
    gone = {("1", "random_mask", "0")}
    gone |= {(round, arm, "1") for round, arm, seed in good if seed == "1" and round in "23"}
    assert good.keys() - bad.keys() == gone
    # A stack is a row shorter from then on, which may round another way.
    within = 1e-4 if executor == "stacked" else 0
    losses = [[float(rows[key]["test_loss"]) for key in bad] for rows in (bad, good)]
    assert losses[0] == pytest.approx(losses[1], rel=within, abs=0)
    run = read(tmp_path / "bad")
    assert [(one["round"], one["arm"], one["seed"]) for one in run.record["diverged"]] == [
        (1, "random_mask", 0),
        (2, "winning", 1),
    ]
    assert not any(check.wrong for check in verify(tmp_path / "bad"))
    whole = results(tmp_path / "bad")
    (tmp_path / "bad" / "rounds" / "03" / "winning_seed0.safetensors").unlink()
    start(tmp_path / "bad", *changes, resume=True)
    assert results(tmp_path / "bad") == whole


def test_where_every_ticket_diverges_the_run_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diverge(monkeypatch, (2, "winning", 0))
    with pytest.raises(Diverged):
        start(tmp_path, "on_divergence=skip")
    assert read(tmp_path).status == "failed"
    assert reopen(tmp_path).rounds == 2


def test_a_clock_that_jumps_backwards_changes_nothing(
    finished: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the run is stopped: no time is before another that was written of it, and no duration is negative."""
    clock = iter(range(10**6))
    now = "lth_cli.rundir.write._now"
    monkeypatch.setattr(now, lambda: (datetime.now(UTC) - timedelta(hours=next(clock))).isoformat(timespec="seconds"))
    monkeypatch.setattr(time, "time", lambda: -next(clock))
    run = tmp_path / "jumping"
    cut_after(run, 2, monkeypatch)
    started = read(run).record["started"]
    start(run, resume=True)
    record = read(run).record
    assert (record["started"], [one["at"] for one in record["resumed"]], record["ended"]) == (
        started,
        [started],
        started,
    )
    assert all(float(row["train_seconds"]) >= 0 for row in history(run))
    assert results(run) == results(finished())
    assert not any(check.wrong for check in verify(run))


def test_fifty_processes_at_once_take_fifty_folders(tmp_path: Path) -> None:
    code = "import sys; from lth_cli.rundir.folders import free_dir\n"
    code += "sys.stdin.read(); print(free_dir('outputs/day/run').path)"
    command = [sys.executable, "-c", code]
    pipe, text = subprocess.PIPE, True
    processes = [subprocess.Popen(command, cwd=tmp_path, stdin=pipe, stdout=pipe, text=text) for _ in range(50)]
    for process in processes:  # all are waiting: let them go together
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    taken = {process.communicate(timeout=60)[0] for process in processes}
    assert len(taken) == len(list((tmp_path / "outputs" / "day").iterdir())) == 50


def test_a_dozen_runs_at_once_are_a_dozen_runs(tmp_path: Path) -> None:
    """Of one second, into one folder: each whole, and all the same."""
    code = (
        "import os, sys\nfrom lth_cli.cli import main\nwords = sys.argv[1:]\n"
        "def run():\n    os._exit(main(['run', *words]))\n"
        "main(['run', *words[:-1], 'hydra.run.dir=first'])\n"  # which imports all, once
        "children = [os.fork() or run() for _ in range(12)]\n"
        "print({os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children})"
    )
    options = ("rounds=1", "controls=[]", "train.iterations=4it", "model.hidden=[8]", "executor=serial")
    command = [sys.executable, "-c", code, *options, "hydra.run.dir=outputs/day/run"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.stderr, done.stdout.splitlines()[-1]) == ("", "{0}")
    runs = sorted((tmp_path / "outputs" / "day").iterdir())
    assert len(runs) == 12
    assert all(results(run) == results(runs[0]) for run in runs)
    assert not any(check.wrong for run in runs[::6] for check in verify(run))


def test_a_run_has_one_writer_and_a_dead_one_lets_go(lth: Lth, run: Path, tmp_path: Path) -> None:
    (run / "rounds" / "03" / "winning_seed0.safetensors").unlink()
    code = "import time; from lth_cli.rundir.folders import sole_writer; from pathlib import Path\n"
    code += "with sole_writer(Path('run')):\n    print(flush=True); time.sleep(600)"
    holder = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    busy = lth("run", "resume=run")
    assert (busy.returncode, busy.stdout) == (2, "")
    assert busy.stderr == "lth: run: another process is writing it\n"
    holder.kill()
    holder.communicate()
    with sole_writer(run):
        pass
    assert lth("run", "resume=run").returncode == 0
