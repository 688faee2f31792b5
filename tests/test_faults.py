"""Faults that befall a run from outside, each done for real: nothing is lost, and what goes on is the same run."""

import json
import os
import random
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
from safetensors import safe_open

from lth_cli import models
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.folders import sole_writer
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.read import read
from lth_cli.training.curves import Curves, Diverged
from lth_cli.training.evaluate import Evaluation
from tests.command import Lth, history, only_run
from tests.interrupted import cut_after, results, start
from tests.soak import EXECUTORS, WORK, killed_run, popen, until_begun


@pytest.mark.parametrize("executor", ["serial", "processes"])  # `make soak` kills the others, too
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
        sys.stderr.write(f'goes on at {before.done}\\n')
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


@pytest.mark.parametrize("executor", ["stacked", "processes"])
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
    code = (
        "import os, sys\nfrom lth_cli.rundir.folders import free_dir\n"
        "waits, goes = os.pipe()\n"
        "def take():\n    os.close(goes)\n    os.read(waits, 1)\n    path = free_dir('outputs/day/run').path\n"
        "    os.write(1, f'{path}\\n'.encode())\n    os._exit(0)\n"
        "children = [os.fork() or take() for _ in range(50)]\n"
        "os.close(goes)\n"  # all are waiting: let them go together
        "assert not any(os.waitpid(child, 0)[1] for child in children)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(set(done.stdout.splitlines())) == len(list((tmp_path / "outputs" / "day").iterdir())) == 50


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
