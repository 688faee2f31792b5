"""`lth watch`: runs of other processes, up to their end."""

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from lth_cli.report import pace, watch
from lth_cli.report.watch import Watched
from lth_cli.rundir import names
from lth_cli.rundir.glance import glance
from lth_cli.rundir.shelf import Group, groups
from lth_cli.rundir.under_way import Training, ends, trainings
from tests.command import Lth, only_run

STORED = Path(__file__).parent / "stored" / "format2"
LONG = ("rounds=1", "train.iterations=100000it", "checkpoint_every=200it", "controls=[]")
SHORT = ("rounds=2", "train.iterations=500it", "checkpoint_every=100it", "controls=[]")

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a command line in a process of its own; all are killed at the end."""
    started = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "lth_cli", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def outputs(folder: Path, pattern: str) -> list[Path]:
    return list((folder / "outputs").glob(f"*/*/{pattern}"))


def lines(process: subprocess.Popen[str]) -> tuple[list[str], str]:
    said, wrong = process.communicate(timeout=240)
    return said.splitlines(), wrong


def test_a_run_is_followed_to_its_end(start: Start, tmp_path: Path) -> None:
    started = start("run", *SHORT)
    wait_for(lambda: outputs(tmp_path, "run.json"))
    watching = start("watch")
    said, wrong = lines(watching)
    run = only_run(tmp_path).relative_to(tmp_path)
    assert (watching.returncode, wrong, started.wait(timeout=60)) == (0, "", 0)
    assert said[0].startswith(f"{run}: running, round ")
    assert said[-1].startswith(f"{run}: done, round 2/2, dense ")
    assert "at 0.1000" in said[-1]
    assert any("left 0:00:" in line for line in said)
    assert all(line != after for line, after in pairwise(said))


def test_a_run_that_is_killed_is_said_to_be(start: Start, tmp_path: Path) -> None:
    started = start("run", *LONG)
    wait_for(lambda: outputs(tmp_path, "partial/*.safetensors"))
    watching = start("watch")
    assert watching.stdout is not None
    first = watching.stdout.readline()
    assert ": running, round -/1, round 0 dense seed 0 it " in first
    assert first.endswith("/100,000\n")
    listed = start("list", "runs")
    assert lines(listed)[0][-1].split()[0] == "running"
    started.kill()
    started.wait()
    said, wrong = lines(watching)
    assert (watching.returncode, wrong) == (1, "")
    assert said[-1].endswith(": killed, round -/1")
    listed = start("list", "runs", "--status", "killed")
    assert lines(listed)[0][-1].split()[0] == "killed"


def test_ctrl_c_ends_watching_and_nothing_else(start: Start, tmp_path: Path) -> None:
    started = start("run", *LONG)
    wait_for(lambda: outputs(tmp_path, "run.json"))
    watching = start("watch")
    assert watching.stdout is not None
    watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    assert lines(watching)[1] == "lth: interrupted\n"
    assert watching.returncode == 130
    assert started.poll() is None


def test_a_sweep_is_followed_from_job_to_job(start: Start, tmp_path: Path) -> None:
    short = ("rounds=1", "train.iterations=2ep", "train.optimizer=sgd", "controls=[]")
    start("run", "-m", "train.lr=1e-3,1e30,1e-2", *short)
    wait_for(lambda: outputs(tmp_path, "*/run.json"))
    watching = start("watch", "outputs")
    said, wrong = lines(watching)
    assert (watching.returncode, wrong) == (1, "")
    assert " of 3 expected" in "".join(said[:3])
    assert said[-1].endswith("_sweep: 2 done, 1 failed of 3 expected")
    assert any("train.lr=1e+30: failed, round -/1, Diverged: round 0, dense, seed 0" in line for line in said)


def test_on_a_terminal_it_is_one_live_screen(start: Start, tmp_path: Path) -> None:
    started = start("run", *SHORT)
    wait_for(lambda: outputs(tmp_path, "run.json"))
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        command = [sys.executable, "-m", "lth_cli", "watch", ".", str(STORED / "done")]
        os.execvpe(command[0], command, {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "12"})
    shown = ""
    while select.select([terminal], [], [], 60)[0]:
        try:
            shown += os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            break
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    assert started.wait(timeout=60) == 0
    assert "running, round " in shown
    assert "\x1b[1A" in shown  # it is drawn over what it was
    last = shown.rpartition("\x1b[2K")[2]
    assert last.count("done, round ") == 2
    assert shown.endswith("\x1b[?25h")  # the cursor is back


def test_what_has_ended_is_said_at_once(lth: Lth, tmp_path: Path) -> None:
    done = lth("watch", str(STORED / "done"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{STORED / 'done'}: done, round 3/3, dense 2.5% val, winning 12.5% val at 0.1014\n"
    both = lth("watch", str(STORED))
    assert both.returncode == 1
    assert "cut: interrupted, round 1/3" in both.stdout


def test_there_must_be_something_to_watch(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    os.utime(tmp_path / "foreign", (1e9, 1e9))
    for arguments, words in (
        ((), "nothing to watch: no run in outputs"),
        (("foreign",), "nothing to watch: no run in foreign"),
        (("nowhere",), "nowhere: there is no such folder"),
    ):
        done = lth("watch", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"lth: {words}\n")


def changed(run: Path, **values: object) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, **values}))


@pytest.fixture
def working(tmp_path: Path) -> Path:
    """A run that says it works, on another machine."""
    path = tmp_path / "working"
    shutil.copytree(STORED / "cut", path)
    changed(path, status="running", ended=None)
    return path


def test_half_a_file_is_no_damage_while_it_is_written(working: Path) -> None:
    watched = Watched()
    assert watched(working).status == "running"
    whole = (working / "history.csv").read_text()
    (working / "history.csv").write_text(whole[:-20])
    assert watched(working).round == 1
    assert Watched()(working).status == "running"
    os.utime(working / "history.csv", (1e9, 1e9))
    os.utime(working / "run.json", (1e9, 1e9))
    os.utime(working, (1e9, 1e9))
    assert watched(working).status == "damaged"
    (working / "history.csv").write_text(whole)
    assert watched(working).status == "running"


def test_only_what_changed_is_read_again(working: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched, read = Watched(), list[Path]()

    def counting(path: Path) -> object:
        read.append(path)
        return glance(path)

    monkeypatch.setattr("lth_cli.report.watch.glance", counting)
    for _ in range(3):
        watched(working)
    assert len(read) == 1
    changed(working, status="failed", error="no")
    assert watched(working).status == "failed"
    assert len(read) == 2


def test_trainings_under_way_and_the_ends_of_rounds(working: Path, tmp_path: Path) -> None:
    found = trainings(working)
    assert [(one.round, one.arm, one.seed, one.others) for one in found] == [
        (2, "random_mask", 0, 0), (2, "random_reinit", 0, 0), (2, "winning", 0, 0),
    ]  # fmt: skip
    assert all(one.done is not None and 0 < one.done <= 6 for one in found)
    assert len(ends(working, 4)) == 2
    (working / "partial" / names.partial((2, "winning", 1), 3).partition("/")[2]).write_bytes(b"\xff" * 100)
    (working / "partial" / "mine.safetensors").write_bytes(b"")
    assert trainings(working)[-1] == Training(2, "winning", 1, 3, None)
    (working / "partial").rename(tmp_path / "elsewhere")
    (working / "partial").symlink_to(tmp_path / "elsewhere")
    assert trainings(working) == []


def test_a_header_of_megabytes_is_not_read(working: Path) -> None:
    """Of two hundred files at each look, only the first bytes, which say how far a training is."""
    for seed in range(200):
        name = names.partial((2, "winning", seed), 0)
        document = json.dumps({"jobs": "0" * 64, "tensors": "0" * 64, "done": seed, "curves": ["x" * 2**20]})
        header = json.dumps({"__metadata__": {"progress": document}}).encode()
        (working / name).write_bytes(len(header).to_bytes(8, "little") + header)
    tracemalloc.start()
    found = [one for one in trainings(working) if one.arm == "winning"]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found
    assert all(one.done == one.seed for one in found)
    assert most < 2**20


def test_trainings_are_read_once_per_look_and_of_so_many_runs(working: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[Path]()

    def counted(path: Path) -> list[Training]:
        read.append(path)
        return trainings(path)

    for i in range(3):
        shutil.copytree(working, working.parent / f"other{i}")
    monkeypatch.setattr(watch, "trainings", counted)
    monkeypatch.setattr(watch, "_MOST_AT_WORK", 2)
    watched, said = Watched(), dict[Path, object]()
    for looks in (1, 2):
        lines = list(watch._news(watched.look([working.parent]), watched, said))
        assert len(read) == 2 * looks
        assert len(lines) == (4 if looks == 1 else 0)


def test_the_time_left_counts_networks(working: Path) -> None:
    config = {"controls": {"a": {"draws": 2}, "b": {}}, "controls_at": "last", "dense_retrained": True}
    assert pace.networks(config, 3) == [1, 2, 2, 5]
    assert pace.networks({**config, "controls_at": [1]}, 3) == [1, 5, 2, 2]
    assert pace.networks({}, 2) == [1, 1, 1]
    run = glance(working)
    began = run.when
    # Rounds 0 and 1 trained 3 networks in 30 s; 2 + 5 are left, of which 4 s have gone by.
    assert pace.of_run(run, [1, 2, 2, 5], [began + 10, began + 30], began + 34) == pytest.approx(66)
    assert pace.of_run(run, [1, 2, 2, 5], [], began) is None
    changed(working, resumed=[{"at": "2027-01-01T00:00:00+00:00", "round": 1}])
    again = glance(working)
    resumed = pace.seconds("2027-01-01T00:00:00+00:00", 0)
    assert pace.of_run(again, [1, 2, 2, 5], [began, resumed + 8], resumed + 8) == pytest.approx(28)


def test_not_each_round_is_looked_for_among_all_that_a_config_lists() -> None:
    class Long(list[object]):
        looked_through = 0

        def __contains__(self, one: object) -> bool:
            self.looked_through += 1
            return super().__contains__(one)

    at = Long([{}, "x", 3])
    assert pace.networks({"controls": {"a": {}}, "controls_at": at}, 4) == [1, 1, 1, 2, 1]
    assert at.looked_through == 0


def test_a_sweep_goes_on_between_two_jobs_and_ends(tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"
    shutil.copytree(STORED / "done", sweep / "a")
    (sweep / "sweep.json").write_text(json.dumps({"expected": 3, "jobs": []}))

    def now() -> Group:
        (found,) = groups([sweep])
        return found

    assert now().is_at_work
    assert pace.of_sweep(now()) == pytest.approx(2)  # one took a second
    for path in (sweep, sweep / "a", sweep / "a" / "run.json", sweep / "a" / "history.csv"):
        os.utime(path, (1e9, 1e9))
    assert not now().is_at_work
    for name in ("run.json", "history.csv"):
        os.utime(sweep / "a" / name)
    changed(sweep / "a", status="interrupted", host=os.uname().nodename, pid=2**22 + 1)
    assert not now().is_at_work  # Ctrl-C ended all of it
