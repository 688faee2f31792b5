"""What somebody put into a run directory leads nowhere: no link is followed, nothing hangs, nothing grows."""

import importlib
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import lth_cli
from lth_cli.core.files import TEMPORARY
from lth_cli.report import collected
from lth_cli.report.collected import collect
from lth_cli.rundir import names
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.find import find, latest
from lth_cli.rundir.glance import Glance, glance
from lth_cli.rundir.manifest import Manifest
from lth_cli.rundir.read import read
from lth_cli.rundir.shelf import groups, newest
from lth_cli.rundir.within import make_dir, write
from tests.command import Lth
from tests.interrupted import SHORT, start
from tests.lies import believed, claim

FILES = [
    "run.json", "config.yaml", "history.csv", "layers.csv", "curves.csv", "manifest.json",
    "rounds/01/winning_seed0.safetensors", "tickets/seed0.safetensors",
]  # fmt: skip


def pipe(path: Path, elsewhere: Path) -> None:
    os.mkfifo(path)


def endless(path: Path, elsewhere: Path) -> None:
    path.symlink_to("/dev/zero")


def link(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere)


ODD: list[Callable[[Path, Path], None]] = [pipe, endless, link]


def held(folder: Path) -> dict[str, bytes | None]:
    """All that is below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", FILES)
def test_an_odd_file_is_refused_in_a_line(odd: Callable[[Path, Path], None], name: str, run: Path, lth: Lth) -> None:
    """By all that reads it; the link leads to the very file that was there."""
    elsewhere = run.parent / "elsewhere"
    (run / name).rename(elsewhere)
    odd(run / name, elsewhere)
    before = elsewhere.read_bytes()
    verified = lth("verify", str(run))
    assert verified.returncode == 1
    assert "Traceback" not in verified.stderr + verified.stdout
    assert len(collect([run])[1]) == (1 if name in (*FILES[:3], names.MANIFEST) else 0)
    resumed = lth("run", f"resume={run}", "safe=true")
    assert (resumed.returncode, resumed.stdout) == (2, "")
    assert resumed.stderr == f"lth: {run / name}: a link, a pipe or a device: a run that goes on has none\n"
    assert elsewhere.read_bytes() == before


def planted(folder: Path) -> Path:
    """A folder with copies of a run, of which one may become a link to another one that is elsewhere."""
    runs, elsewhere = folder.parent / "runs", folder.parent / "elsewhere"
    shutil.copytree(folder, elsewhere)
    for name in "abc":
        shutil.copytree(folder, runs / name)
    return runs


def swap(run: Path) -> None:
    run.rename(run.parent.parent / "before")
    run.symlink_to(run.parent.parent / "elsewhere")


def test_a_run_that_becomes_a_link_once_it_was_found_is_not_compared(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = planted(run)

    def swapping(path: Path) -> list[Path]:
        found = find(path)
        swap(runs / "b")
        return found

    monkeypatch.setattr(collected, "find", swapping)
    compared, skipped = collect([runs])
    assert [one.path.name for one in compared] == ["a", "c"]
    assert skipped == [f"damaged: {runs / 'b'}: a link, which is not followed here"]


def test_nor_is_it_listed(run: Path) -> None:
    runs = planted(run)

    def swapping(path: Path) -> Glance:
        if path.name == "a":
            swap(runs / "b")
        return glance(path)

    found = {
        one.path.name: (one.status, one.what, bool(one.record)) for g in groups([runs], swapping) for one in g.runs
    }
    done = ("done", "", True)
    assert found == {"a": done, "b": ("damaged", "a link, which is not followed here", False), "c": done}


def test_a_link_that_is_named_is_followed(run: Path) -> None:
    runs = planted(run)
    swap(runs / "b")
    assert [one.path.name for one in collect([runs / "b"])[0]] == ["b"]
    assert [one.status for g in groups([runs / "b"]) for one in g.runs] == ["done"]
    (runs.parent / "linked").symlink_to(runs)
    assert [one.path.name for one in collect([runs.parent / "linked"])[0]] == ["a", "c"]


def test_neither_links_nor_files_are_the_latest_run(run: Path, lth: Lth) -> None:
    day, elsewhere = run.parent / "outputs" / "2026-01-01", run.parent / "elsewhere"
    shutil.copytree(run, day / "12-00-00")
    shutil.copytree(run, elsewhere / "13-00-00")
    (day / "13-00-00").symlink_to(elsewhere / "13-00-00")
    (day.parent / "2027-01-01").symlink_to(elsewhere)
    (day.parent / "2027-01-02").write_text("no day")
    assert latest(day.parent) == newest(day.parent) == day / "12-00-00"
    assert lth("compare").returncode == 0


@pytest.mark.parametrize(
    "place",
    ["rounds", "rounds/03", "partial", "tickets", ".lock", ".hydra", ".hydra/config.yaml", "profile", "x/y"],
)
def test_a_run_that_goes_on_writes_nothing_elsewhere(place: str, run: Path, lth: Lth) -> None:
    victim = run.parent / "victim"
    if (run / place).is_dir():
        shutil.move(run / place, victim)
    elif place.startswith(".hydra/") or place == ".lock":
        victim.write_text("precious")
    else:
        victim.mkdir()
    (run / place).parent.mkdir(exist_ok=True)
    (run / place).unlink(missing_ok=True)
    (run / place).symlink_to(victim)
    (run / "rounds" / "03" / "winning_seed0.safetensors").unlink(missing_ok=True)
    before = victim.read_bytes() if victim.is_file() else held(victim)
    resumed = lth("run", f"resume={run}", "safe=true")
    assert (resumed.returncode, resumed.stdout) == (2, "")
    assert resumed.stderr == f"lth: {run / place}: a link, a pipe or a device: a run that goes on has none\n"
    assert (victim.read_bytes() if victim.is_file() else held(victim)) == before


def test_a_link_in_place_of_a_job_of_a_sweep_is_refused(run: Path, lth: Lth) -> None:
    sweep = run.parent / "sweep"
    sweep.mkdir()
    (sweep / "sweep.json").write_text(json.dumps({"format": 1, "command": "lth run -m seed=0,1"}))
    (sweep / "seed=0").symlink_to(run)
    before = held(run)
    assert lth("run", f"resume={sweep}").returncode == 2
    assert held(run) == before


@pytest.mark.parametrize("place", ["rounds", "rounds/03", "tickets"])
def test_no_write_follows_a_link(place: str, run: Path) -> None:
    """Whoever calls it."""
    victim = run.parent / "victim"
    shutil.move(run / place, victim)
    (run / place).symlink_to(victim)
    before = held(victim)
    with pytest.raises(OSError, match=r"not a folder|not followed"):
        start(run, resume=True)
    with pytest.raises(OSError, match=r"not a folder|not followed"):
        make_dir(run, f"{place}/x")
    with pytest.raises(OSError, match="not below"):
        write(run, "rounds/../../x.json", b"")
    assert held(victim) == before


def test_a_link_under_the_name_of_a_temporary_file_is_not_written_through(run: Path) -> None:
    victim = run.parent / "victim"
    victim.write_text("precious")
    (run / f".run.json.{os.getpid()}{TEMPORARY}").symlink_to(victim)
    write(run, "run.json", b"{}")
    assert victim.read_text() == "precious"
    assert (run / "run.json").read_bytes() == b"{}"
    assert not (run / "run.json").is_symlink()


def test_what_hydra_writes_reaches_no_second_name(run: Path, lth: Lth) -> None:
    (run / ".hydra").mkdir()
    victim = run.parent / "victim"
    victim.write_text("precious")
    os.link(victim, run / ".hydra" / "config.yaml")
    lth("run", f"resume={run}")
    assert victim.read_text() == "precious"
    os.unlink(run / ".lock")
    os.link(victim, run / ".lock")
    refused = lth("run", f"resume={run}")
    assert (refused.returncode, refused.stderr) == (2, f"lth: {run}/.lock: not a lock\n")
    assert victim.read_text() == "precious"


def test_a_ticket_that_is_a_pipe_is_refused(lth: Lth, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "/dev/zero"):
        done = lth("run", f"ticket={name}")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{name}: not a file" in done.stderr
        with pytest.raises(OSError, match="not a file"):
            lth_cli.Ticket.load(tmp_path / name)


@pytest.mark.parametrize("name", ["run.json", "config.yaml", "history.csv"])
def test_a_file_of_many_gigabytes_is_refused(name: str, run: Path) -> None:
    os.truncate(run / name, 2**40)
    with pytest.raises(Damaged, match=r"at most [0-9,]+ are read"):
        read(run)


def test_a_short_record_that_names_millions_of_rounds_is_refused(run: Path, tmp_path: Path, limited: Lth) -> None:
    record = json.loads((run / "run.json").read_text())
    record |= {"seeds": list(range(100_000)), "keep": [0] * 100_000}
    (run / "run.json").write_text(json.dumps(record))
    believed(run)
    done = limited("compare", str(run), cwd=tmp_path)
    assert "round 0 of seed 1 is missing, although the run is done" in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("name", ["history.csv", "layers.csv", "curves.csv"])
def test_a_table_of_a_million_rows_is_refused(name: str, run: Path, limited: Lth) -> None:
    text = (run / name).read_text()
    (run / name).write_text(text + text.splitlines(keepends=True)[-1] * 1_000_000)
    done = limited("verify", str(run), cwd=run.parent)
    assert done.returncode == 1
    assert "are read" in done.stdout
    assert "Error" not in done.stdout + done.stderr


ROW = "{},{},{},1,0,1,1,1,0,0,0,0,1,0,0,0,\n"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([ROW.format(0, "dense", 0)] * 50_000, "line 12: a second row of the same round, arm and seed"),
        ([ROW.format(3, f"x{i}", 0) for i in range(50_000)], r"[0-9,]+ arms; at most 100 are read"),
    ],
)
def test_a_history_that_no_run_writes_is_refused(rows: list[str], words: str, run: Path) -> None:
    with open(run / "history.csv", "a") as file:
        file.writelines(rows)
    with pytest.raises(Damaged, match=words):
        read(run)


@pytest.mark.parametrize("name", ["history.csv", "layers.csv", "curves.csv"])
def test_a_table_of_many_columns_is_refused(name: str, run: Path, limited: Lth) -> None:
    first, rest = (run / name).read_text().split("\n", 1)
    (run / name).write_text(f"{first}{',' * 1_000_000}\n{rest}")
    done = limited("verify", str(run), cwd=run.parent)
    assert done.returncode == 1
    assert f"{name}: its first line is not that of a format" in done.stdout


def test_a_history_of_many_seeds_is_verified_in_seconds(run: Path, limited: Lth) -> None:
    """Though it is asked, seed by seed, which of its rows are tickets."""
    claim("status", "failed")(run)
    head = (run / "history.csv").read_text().splitlines(keepends=True)[0]
    (run / "history.csv").write_text(head + "".join(ROW.format(0, "x", seed) for seed in range(90_000)))
    done = limited("verify", str(run), cwd=run.parent)
    assert (done.returncode, done.stderr) == (1, "")


def test_runs_that_have_little_in_common_are_compared_in_seconds(run: Path, tmp_path: Path, limited: Lth) -> None:
    """Their number times the number of all their keys is billions."""
    record = json.loads((run / "run.json").read_text())
    rows = (run / "history.csv").read_text()
    for i in range(600):
        folder = tmp_path / "many" / str(i)
        folder.mkdir(parents=True)
        choices = {f"g{i}x{j}": "x" * 90 for j in range(100)}
        (folder / "run.json").write_text(json.dumps({**record, "choices": choices}))
        (folder / "config.yaml").write_text("".join(f"k{i}x{j}: 1\n" for j in range(100)))
        (folder / "history.csv").write_text(rows)
    done = limited("compare", "many", "--format", "csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) < 100_000_000


def test_a_run_that_names_thousands_of_choices_is_refused(run: Path) -> None:
    claim("choices", {f"g{i}": "x" for i in range(101)})(run)
    with pytest.raises(Damaged, match=r"choices is .*: at most 100 names"):
        read(run)


def test_files_of_somebody_else_stay_when_a_run_goes_on(run: Path, lth: Lth) -> None:
    mine = [
        run / name
        for name in (".mine.tmp", "notes/.run.json.1.lth-half-written", "partial/mine.txt", "rounds/01/.y.tmp")
    ]
    for file in mine:
        file.parent.mkdir(exist_ok=True)
        file.write_text("precious")
    (run / ".run.json.1.lth-half-written").mkdir()
    (run / "partial" / "03_winning_seed0.safetensors").write_text("ours")
    (run / ".history.csv.12.lth-half-written").write_text("ours")
    (run / "rounds" / "03" / "winning_seed0.safetensors").unlink()
    resumed = lth("run", f"resume={run}")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert [file.read_text() for file in mine] == ["precious"] * 4
    assert [file.name for file in (run / "partial").iterdir()] == ["mine.txt"]
    assert not (run / ".history.csv.12.lth-half-written").exists()


def test_no_trace_is_written_through_a_second_name(run: Path, lth: Lth) -> None:
    victim = run.parent / "victim"
    victim.write_text("precious")
    (run / "profile").mkdir()
    for name in ("trace.json", "trace.json.tmp", "times.json"):
        os.link(victim, run / "profile" / name)
    (run / "manifest.json").unlink()
    assert lth("run", f"resume={run}", "profile=true").returncode == 0
    assert "traceEvents" in (run / "profile" / "trace.json").read_text()
    assert victim.read_text() == "precious"


@pytest.fixture
def deep(run: Path) -> Iterator[Path]:
    """A run with more folders in each other than Python's stack is high."""
    folder = os.open(run, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=folder)
        outer, folder = folder, os.open("a", os.O_RDONLY, dir_fd=folder)
        os.close(outer)
    os.close(folder)
    yield run
    subprocess.run(["rm", "-rf", str(run)], check=True)


def test_a_folder_may_be_as_deep_as_it_likes(deep: Path, tmp_path: Path, limited: Lth) -> None:
    assert limited("compare", ".", cwd=tmp_path).returncode == 0
    resumed = limited("run", "resume=run", "safe=true", cwd=tmp_path)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    (deep / "run.json").unlink()
    shutil.rmtree(deep / ".hydra", ignore_errors=True)
    for line in (("compare", "."), ("verify", "."), ("run", "resume=run", "safe=true")):
        done = limited(*line, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr


def test_a_manifest_of_thousands_of_places_is_said_in_a_few_lines(run: Path, tmp_path: Path, limited: Lth) -> None:
    manifest = Manifest.load(run)
    manifest.files.update({f"rounds/01/a{i}_seed0.safetensors": "0" * 64 for i in range(20_000)})
    manifest.save(run)
    done = limited("run", "resume=run", "safe=true", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "and 19,980 more places that are missing or damaged" in done.stdout


def test_a_pipe_among_ones_own_yaml_is_refused(tmp_path: Path, limited: Lth) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    os.mkfifo(tmp_path / "own" / "model" / "mine.yaml")
    for line in (("list", "--config-dir=own"), ("run", "--config-dir=own", "model=mine")):
        done = limited(*line, cwd=tmp_path)
        assert (done.stdout, done.stderr) == ("", "lth: own/model/mine.yaml: not a file\n")


def test_a_lack_of_memory_is_said_in_a_line(run: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(paths: list[str]) -> None:
        raise MemoryError

    monkeypatch.setattr("lth_cli.report.comparison.collect", lacks)
    done = lth("compare", str(run))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "lth: out of memory\n"


def replaced(place: str, run: Path, victim: Path) -> None:
    """Put a link to a folder or file elsewhere in the place of what is there."""
    file = run / place
    if file.exists() or file.is_symlink():
        file.rename(run.parent / "was")
    file.symlink_to(victim / "file" if file.suffix else victim)


def later(moment: str, deed: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something happen when a run that goes on has come to a function, long after the first look at its folder."""
    module, _, name = moment.rpartition(".")
    then = getattr(importlib.import_module(module), name)

    def call(*arguments: Any, **more: Any) -> Any:
        deed()
        return then(*arguments, **more)

    monkeypatch.setattr(moment, call)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("precious")
    return tmp_path / "victim"


HYDRAS, ROUNDS = "lth_cli.command.launch.hand_to_hydra", "lth_cli.command.run._rounds"


@pytest.mark.parametrize(
    ("place", "moment"),
    [
        (".hydra", HYDRAS),
        (".hydra/config.yaml", HYDRAS),
        ("rounds", ROUNDS),
        ("tickets", ROUNDS),
        ("partial", ROUNDS),
        ("profile", ROUNDS),
        ("history.csv", ROUNDS),
        ("", HYDRAS),
        ("", ROUNDS),
    ],
)
def test_what_becomes_a_link_while_a_run_goes_on_leads_nowhere(
    place: str, moment: str, run: Path, victim: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is held by then, and the folder was looked through."""
    (run / ".hydra").mkdir()
    (run / ".hydra" / "config.yaml").touch()
    (run / "rounds" / "03" / "winning_seed0.safetensors").unlink()
    later(moment, lambda: replaced(place, run, victim), monkeypatch)
    lth("run", f"resume={run}", "safe=true", "profile=true", "checkpoint_every=1it")
    assert held(victim) == {"file": b"precious"}


@pytest.mark.parametrize("place", ["seed=1", "multirun.yaml", "seed=0/.hydra"])
def test_what_becomes_a_link_while_a_sweep_goes_on_leads_nowhere(
    place: str, run: Path, victim: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = run.parent / "sweep"
    command = shlex.join(["lth", "run", "-m", *SHORT, "rounds=1", "seed=0,1"])
    for seed in (0, 1):
        (sweep / f"seed={seed}" / ".hydra").mkdir(parents=True)
    (sweep / "sweep.json").write_text(json.dumps({"format": 1, "command": command}))
    later(HYDRAS, lambda: replaced(place, sweep, victim), monkeypatch)
    lth("run", f"resume={sweep}", "safe=true")
    assert held(victim) == {"file": b"precious"}


def test_nor_does_the_sweep_itself_in_the_workers_of_joblib(
    run: Path, victim: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which did not hold it from the beginning; what Hydra makes by name there are the empty folders of the jobs."""
    sweep = run.parent / "sweep"
    words = ["lth", "run", "-m", *SHORT, "rounds=1", "seed=0,1", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    for seed in (0, 1):
        (sweep / f"seed={seed}").mkdir(parents=True)
    (sweep / "sweep.json").write_text(json.dumps({"format": 1, "command": shlex.join(words)}))
    later(HYDRAS, lambda: replaced("", sweep, victim), monkeypatch)
    done = lth("run", "resume=sweep", "safe=true")
    assert done.returncode != 0
    assert "lth: seed=0: " in done.stderr
    assert "sweep: another folder has taken its name" in done.stderr
    assert held(victim) == {"file": b"precious", "seed=0": None, "seed=1": None}
    monkeypatch.undo()
    sweep.unlink()
    (run.parent / "was").rename(sweep)
    assert lth("run", "resume=sweep", "safe=true").returncode == 0


def test_a_resume_keeps_hydras_record_of_it(run: Path, lth: Lth) -> None:
    """As `lth verify` compares it with run.json; of a run that is done it stays as it is."""
    (run / "rounds" / "03" / "winning_seed0.safetensors").unlink()
    assert lth("run", f"resume={run}", "device=cpu").returncode == 0
    said = (run / ".hydra" / "overrides.yaml").read_text().split()
    assert "device=cpu" in said
    assert "rounds=3" in said
    assert sorted(file.name for file in (run / ".hydra").iterdir()) == ["config.yaml", "hydra.yaml", "overrides.yaml"]
    assert lth("verify", str(run)).returncode == 0
    before = held(run)
    assert lth("run", f"resume={run}", "device=auto").returncode == 0
    assert held(run) == before
