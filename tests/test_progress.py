"""What is shown while work goes on: where a job stands in its sweep, the time that is left, and why it starts late."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lth_cli.command.sweep import Sweep
from lth_cli.report.sweep import Place
from lth_cli.report.terminal import Log
from tests.command import Lth, only_run

SHORT = ("rounds=1", "train.iterations=2it", "controls=[]")


def on_a_terminal(folder: Path, *arguments: str, columns: int) -> str:
    """All that a command shows on one, its escapes left out."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lth_cli", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm-256color", "COLUMNS": str(columns)},
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            shown += os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
    os.close(leader)
    assert process.wait(60) == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_on_a_terminal_there_is_a_live_bar(tmp_path: Path) -> None:
    """Under a pseudo-terminal: round, arm, iteration, loss, accuracy and the time left."""
    text = on_a_terminal(tmp_path, "run", "rounds=1", "train.iterations=40ep", columns=150)
    assert re.search(r"round 0/1 dense seed 0 it \d+/800 loss \d\.\d+ val \d+\.\d% .*left \d:\d\d:\d\d", text)
    assert re.search(r"round 1/1 (winning|random_reinit|random_mask) seed 0", text)


def test_a_terminal_shows_why_a_start_takes_long_and_where_a_sweep_stands(tmp_path: Path) -> None:
    options = ("rounds=1", "train.iterations=20ep", "controls=[]")
    text = on_a_terminal(tmp_path, "run", "-m", "seed=0,1", *options, columns=60)
    shown = [
        "lth: checking the config…",
        "lth: loading PyTorch…",
        "job 1/2 seed=0",
        "round 0/1 dense",
        "job 2/2 seed=1",
    ]
    places = [text.index(part) for part in shown]
    assert places == sorted(places)
    assert "job 1/2 seed=0: round  1/1  density" in text
    assert re.search(r"job 2/2 seed=1 +left 0:\d\d:\d\d", text)
    assert re.search(r"job 1/2 seed=0 +left", text) is None
    assert text.splitlines()[-1] == f"2 done in {only_run(tmp_path).relative_to(tmp_path)}"


def test_lines_of_a_sweep_say_which_job_and_what_is_left(lth: Lth, tmp_path: Path) -> None:
    swept = lth("run", "-m", "rewind=init,none", "seed=0,1", *SHORT)
    assert (swept.returncode, swept.stderr) == (0, "")
    lines = swept.stdout.splitlines()
    jobs = ["rewind=init seed=0", "rewind=init seed=1", "rewind=none seed=0", "rewind=none seed=1"]
    for number, label in enumerate(jobs, start=1):
        ours = [line for line in lines if line.startswith(f"job {number}/4 {label}: ") and "converged" not in line]
        told = [re.search(r": \d:\d\d:\d\d left of the sweep$", line) is not None for line in ours]
        assert told == [*([True] if number > 1 else []), False, False]

    sweep = only_run(tmp_path)
    for name in ("rewind=init,seed=1", "rewind=none,seed=0"):
        (sweep / name / "rounds" / "01" / f"winning_seed{name[-1]}.safetensors").unlink()
        record = json.loads((sweep / name / "run.json").read_text())
        (sweep / name / "run.json").write_text(json.dumps({**record, "status": "interrupted"}))
    again = lth("run", f"resume={sweep}")
    assert again.returncode == 0
    ours = [line for line in again.stdout.splitlines() if line.startswith("job ")]
    assert {line.partition(":")[0] for line in ours} == {f"job 2/4 {jobs[1]}", f"job 3/4 {jobs[2]}"}
    assert "4 done in" in again.stdout


def test_the_place_of_a_job() -> None:
    first = Place(1, 3, "seed=0", ended=0, each=None)
    assert (str(first), first.left(), first.left(12)) == ("job 1/3 seed=0", "", "")
    last = Place(3, 3, "seed=2", ended=2, each=60)
    assert (last.left(), last.left(of_this=10)) == ("0:01:00", "0:00:10")
    assert Place(2, 100, "seed=1", ended=1, each=60).left(of_this=10.4) == "1:38:10"
    assert str(Place(2, None, "model=conv2", ended=1, each=60)) == "job 2 model=conv2"
    assert Place(2, None, "model=conv2", ended=1, each=60).left() == ""


def ended(path: Path, name: str, status: str, at: str | None) -> None:
    (path / name).mkdir()
    (path / name / "run.json").write_text(json.dumps({"format": 1, "status": status, "ended": at}))


def test_the_pace_is_that_of_the_jobs_that_ended_since_the_command_began(tmp_path: Path) -> None:
    """One was done before, two ended since, one is at work, one was interrupted before and is still to go on."""
    ended(tmp_path, "a", "done", "1999-12-31T23:59:59+00:00")
    ended(tmp_path, "b", "done", "2000-01-01T00:00:05+00:00")
    ended(tmp_path, "c", "failed", "2000-01-01T00:00:09+00:00")
    ended(tmp_path, "d", "running", None)
    ended(tmp_path, "e", "interrupted", "1999-12-31T23:59:59+00:00")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "run.json").write_text("damaged")
    sweep = Sweep(tmp_path, 6, ["seed"], (0, 0), began=946_684_800)
    place = sweep.place(4, ["seed=3", "rounds=1"])
    assert (str(place), place.ended) == ("job 4/6 seed=3", 3)
    assert place.each is not None
    assert place.each > 3600


def test_a_long_label_loses_its_middle() -> None:
    label = Sweep(Path("nowhere"), 9, ["model.hidden"], (0, 0)).place(1, [f"model.hidden=[{'10,' * 50}7]"]).label
    assert (len(label), label[:20], label[-7:]) == (40, "model.hidden=[10,10,", "10,10,7]"[-7:])


def test_nothing_moves_where_there_is_no_terminal(lth: Lth) -> None:
    """Not even where colours are asked for, as in logs of continuous integration."""
    for environment in ({}, {"FORCE_COLOR": "1"}):
        ran = lth("run", *SHORT, **environment)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert re.search(r"starting|\x1b\[\?25|\x1b\[\d*[A-K]", ran.stdout) is None


PATH = "/a/path/that/is/longer/than/a/narrow/terminal/with spaces/and-hyphens/[brackets]/seed0.safetensors"


def test_no_line_is_broken(lth: Lth, tmp_path: Path) -> None:
    long = tmp_path / PATH[1:]
    long.mkdir(parents=True)
    ran = lth("run", *SHORT, "profile=true", "executor=serial", cwd=long, COLUMNS="40")
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, str(only_run(long)))
    assert re.search(r"^ *rest of training +\d+\.\d+ +\d+\.\d+ +\d+\.\d% *$", ran.stdout, re.M)
    swept = lth("run", "-m", "seed=0", "output=a b/with a name that is longer than the line", *SHORT, COLUMNS="40")
    (path,) = (tmp_path / "a b" / "with a name that is longer than the line").glob("*/*")
    assert swept.stdout.splitlines()[-1] == f"1 done in {path.relative_to(tmp_path)}"
    compared = lth("compare", str(path), str(long), "-o", f"{long}/table.md", COLUMNS="40")
    assert compared.stdout.splitlines() == [f"wrote {long}/table.md"]
    table = lth("compare", str(path), str(long), COLUMNS="40").stdout.splitlines()
    assert sum(line.startswith(("dense ", "winning ")) for line in table) == 2


def test_a_warning_is_one_line(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    Log().emit(logging.LogRecord("x", logging.WARNING, "", 0, "%s: [red]no[/red]", (PATH,), None))
    assert capfd.readouterr().out == f"WARNING: {PATH}: [red]no[/red]\n"
