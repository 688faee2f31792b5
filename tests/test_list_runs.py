"""`lth list runs`: a line for whatever is there."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lth_cli.rundir import glance
from lth_cli.rundir.shelf import groups
from tests.command import Lth, only_run
from tests.hostile import ACTS, ESCAPE, RAW, held

STORED = Path(__file__).parent / "stored"


def changed(run: Path, **values: object) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, **values}))


def settle(folder: Path) -> None:
    """As if nothing had been written for a while."""
    for path in sorted(folder.rglob("*"), reverse=True):
        os.utime(path, (1e9, 1e9), follow_symlinks=False)
    os.utime(folder, (1e9, 1e9))


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A run of every status, stored ones, and folders that are none."""
    outputs, done = tmp_path / "outputs", STORED / "format2" / "done"
    shutil.copytree(STORED, outputs / "stored")
    for name, values in {
        "running": {"status": "running", "host": "elsewhere", "started": "2026-11-22T10:00:00+00:00"},
        "failed": {"status": "failed", "error": "Diverged: the loss is nan\nat once"},
        "killed": {"status": "running", "host": os.uname().nodename, "pid": 2**22 + 1},
        "newer": {"format": 99},
        "lying": {"keep": [1] * 50},
    }.items():
        shutil.copytree(done, outputs / "day" / name)
        changed(outputs / "day" / name, **values)
    shutil.copytree(done, outputs / "day" / "half")
    text = (done / "run.json").read_text()
    (outputs / "day" / "half" / "run.json").write_text(text[: len(text) // 2])
    (outputs / "day" / "begun" / ".hydra").mkdir(parents=True)
    (outputs / "day" / "foreign" / "deep").mkdir(parents=True)
    (outputs / "day" / "foreign" / "notes.txt").write_text("mine")
    (outputs / "day" / "empty").mkdir()
    (outputs / "day" / "link").symlink_to(done)
    settle(outputs)
    return outputs


def listed(lth: Lth, *arguments: str) -> dict[str, str]:
    found = lth("list", "runs", *arguments, "--format", "json")
    assert (found.returncode, found.stderr) == (0, "")
    return {"/".join(Path(run["path"]).parts[-2:]): run["status"] for run in json.loads(found.stdout)}


def test_everything_has_its_line(lth: Lth, many: Path) -> None:
    statuses = {
        "format1/done": "done", "format1/cut": "interrupted", "format2/done": "done", "format2/cut": "interrupted",
        "day/running": "running", "day/failed": "failed", "day/killed": "killed", "day/newer": "damaged",
        "day/lying": "damaged", "day/half": "damaged", "day/begun": "damaged", "day/foreign": "foreign",
        "day/empty": "foreign",
    }  # fmt: skip
    assert listed(lth) == statuses
    assert listed(lth, "outputs/day", "outputs/day/failed", "--status", "killed,failed") == {
        "day/failed": "failed",
        "day/killed": "killed",
    }
    lines = lth("list", "runs", COLUMNS="300").stdout.splitlines()
    assert len(lines) == len(statuses) + 1 + sum(not line.startswith(" ") for line in lines)
    (killed,) = (line for line in lines if line.startswith("  killed"))
    assert killed.split()[3:5] == ["3/3", "12.5"]
    (failed,) = (line for line in lines if line.startswith("  failed"))
    assert failed.endswith("device=cpu  Diverged: the loss is nan")
    (newer,) = (line for line in lines if "newer" in line)
    assert newer.endswith("run.json: format 99, but this version of lth reads up to 2")
    assert lines[2].startswith("  running")  # the newest
    for columns in (80, 120):
        narrow = lth("list", "runs", COLUMNS=str(columns)).stdout.splitlines()
        assert len(narrow) == len(lines)
        assert max(map(len, narrow)) <= columns


def test_best_is_of_the_winning_ticket_on_validation(lth: Lth, many: Path) -> None:
    (run,) = json.loads(lth("list", "runs", "outputs/stored/format1/done", "--format", "json").stdout)
    assert (run["round"], run["rounds"], run["overrides"][0]) == (3, 3, "train.iterations=6it")
    assert run["best"] == {"round": 2, "density": pytest.approx(64 / 296), "val_accuracy": pytest.approx(0.075)}


def test_a_sweep_is_a_heading_with_its_jobs(lth: Lth, tmp_path: Path) -> None:
    short = ("rounds=1", "train.iterations=2it", "controls=[]")
    assert lth("run", "-m", "train.lr=1e-3,1e-2", "seed=0,1", *short).returncode == 0
    sweep = only_run(tmp_path)
    shutil.rmtree(sweep / "seed=1,train.lr=0.01")
    changed(sweep / "seed=0,train.lr=0.01", status="failed", error="RuntimeError: no\nmore")
    lines = lth("list", "runs", COLUMNS="300").stdout.splitlines()
    heading = f"{sweep.relative_to(tmp_path)}: 2 done, 1 failed of 4 expected  {' '.join(short)}"
    assert lines[1] == heading
    assert sorted(line.split("  ", 1)[1].split()[0] for line in lines[2:]) == ["done", "done", "failed"]
    (failed,) = (line for line in lines if line.startswith("  failed"))
    assert failed.split("  ")[-2:] == ["seed=0,train.lr=0.01", " RuntimeError: no"]
    only = lth("list", "runs", "--status", "failed", COLUMNS="300").stdout.splitlines()
    assert (only[1], len(only)) == (heading, 3)


@pytest.mark.parametrize("number", range(12))
def test_hostile_folders_have_a_line_each_and_steer_nothing(
    number: int, run: Path, tmp_path: Path, limited: Lth
) -> None:
    stream, victim = random.Random(number), tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("precious")
    ACTS[number % len(ACTS)](run, victim, stream)
    changed_name = run.rename(tmp_path / f"run{ESCAPE}")
    settle(changed_name)
    before = held(victim)
    for command in (("list", "runs"), ("list", "runs", "--format", "json"), ("watch",)):
        done = limited(*command, changed_name.name, cwd=tmp_path)
        assert done.returncode in (0, 1)
        assert RAW.findall(done.stdout + done.stderr) == []
        assert done.stderr == ""
    assert len(limited("list", "runs", changed_name.name, cwd=tmp_path).stdout.splitlines()) == 3
    assert held(victim) == before


def test_names_and_errors_forge_no_lines(lth: Lth, run: Path) -> None:
    changed(run, status="failed", error=f"{ESCAPE}\n  done  forged", command=f"lth run x='{ESCAPE}\n done' y")
    shutil.copytree(run, run.parent / "s" / "a\n  done  forged")
    (run.parent / "s" / "sweep.json").write_text(json.dumps({"expected": 10**30, "jobs": []}))
    shown = lth("list", "runs", ".")
    assert (shown.returncode, shown.stderr, RAW.findall(shown.stdout)) == (0, "", [])
    assert sum(line.startswith("  done") for line in shown.stdout.splitlines()) == 0


def test_a_file_that_is_being_written_is_read_again(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (run / "run.json").read_text()
    (run / "run.json").write_text(whole[:100])
    monkeypatch.setattr(glance.time, "sleep", lambda seconds: (run / "run.json").write_text(whole))
    assert glance.glance(run).status == "done"
    (run / "run.json").write_text(whole[:100])
    settle(run)
    assert glance.glance(run).what.startswith("run.json: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere",), "nowhere: there is no such folder"),
        (("--status", "faild"), "did you mean failed?"),
        (("--status", "done,"), "invalid choice: 'done,'"),
        (("--statuses", "done"), "did you mean --status?"),
    ],
)
def test_what_is_wrong_is_said(lth: Lth, arguments: tuple[str, ...], words: str) -> None:
    done = lth("list", "runs", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_nothing_to_list(lth: Lth, tmp_path: Path) -> None:
    assert lth("list", "runs").stdout == "no run in outputs; start one with: lth run\n"
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / ".gitignore").write_text("*")
    assert lth("list", "runs").stdout == "no run in outputs; start one with: lth run\n"
    assert lth("list", "runs", "--format", "json").stdout == "[]\n"


def test_a_config_folder_before_and_after_the_kind(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "mine.yaml").write_text("# Mine.\n")
    for arguments in (("--config-dir", "own", "models"), ("models", "--config-dir", "own"), ("--config-dir", "own")):
        assert "model=mine" in lth("list", *arguments).stdout


def test_a_thousand_runs_take_about_a_second(tmp_path: Path) -> None:
    for number in range(1000):
        (folder := tmp_path / "outputs" / "2026-01-01" / f"{number:04d}").mkdir(parents=True)
        for name in ("run.json", "history.csv"):
            shutil.copy(STORED / "format2" / "done" / name, folder)
    began = time.process_time()
    assert sum(run.status == "done" for group in groups([tmp_path]) for run in group.runs) == 1000
    assert time.process_time() - began < 3  # of a slow machine


def test_it_imports_neither_hydra_nor_torch_nor_rich(tmp_path: Path) -> None:
    code = "import sys; from lth_cli.cli import main; main(['list', 'runs'])\n"
    code += "print({'torch', 'hydra', 'rich', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
