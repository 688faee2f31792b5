"""Runs of every format so far: read, compared, verified and resumed, by this version and by one with more columns."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lth_cli.results.checks.verify import verify
from lth_cli.results.compare import compare
from lth_cli.rundir import columns
from lth_cli.rundir.columns import FORMAT, LAYERS, Column
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.read import read
from lth_cli.rundir.tables import filled, header, lines, parse_table, younger
from tests.command import Lth, history

STORED = Path(__file__).parent / "stored"
TABLES = ("history.csv", "layers.csv", "curves.csv")

# A later version of lth: a third metric, which this version's runs do not have.
LATER = """
import json, os, shutil, sys
import lth_cli.core.metrics as metrics

def within_two(logits, targets):
    return (logits.topk(2, 2).indices == targets.unsqueeze(2)).any(2).sum(1)

metrics.METRICS += (metrics.Metric("top2", within_two, top=1.0, since=3),)
import lth_cli.rundir.columns as columns
columns.FORMAT = 3
"""
COMMANDS = """
from lth_cli.cli import main
sys.exit(max([main(json.loads(line)) for line in sys.argv[1:]]))
"""


@pytest.fixture(params=sorted(path.name for path in STORED.iterdir()))
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with the stored runs of a format, `done` and `cut`: one interrupted in the middle of round 2."""
    return Path(shutil.copytree(STORED / request.param, tmp_path / "runs"))


def python(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def later(*lines: list[str], cwd: Path) -> str:
    """What commands of a later version print; all must succeed."""
    done = python(LATER + COMMANDS, *map(json.dumps, lines), cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def files(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def lines_of(table: bytes) -> list[str]:
    return table.decode().splitlines()


def test_there_is_a_stored_run_of_every_format() -> None:
    assert {path.name for path in STORED.iterdir()} == {f"format{version}" for version in range(1, FORMAT + 1)}


def test_a_stored_run_is_read_compared_and_verified(runs: Path) -> None:
    done, cut = read(runs / "done"), read(runs / "cut")
    assert (done.status, cut.status) == ("done", "interrupted")
    assert [(row.arm, row.round, row.seeds) for row in compare([done])] == [
        ("dense", 0, 2), ("winning", 3, 2), ("random_reinit", 3, 2), ("random_mask", 3, 2),
    ]  # fmt: skip
    assert not any(check.wrong for path in (done.path, cut.path) for check in verify(path))


def test_a_stored_run_goes_on(runs: Path, lth: Lth) -> None:
    before = {name: files(runs / name) for name in ("done", "cut")}
    finished = lth("run", f"resume={runs / 'done'}")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "is done, and all of it is as it was written" in finished.stdout
    after = files(runs / "done")
    assert {name: after[name] for name in before["done"]} == before["done"]

    resumed = lth("run", f"resume={runs / 'cut'}")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert "round  2/3" in resumed.stdout
    assert "round  1/3" not in resumed.stdout
    after = files(runs / "cut")
    for name, data in before["cut"].items():
        if name.startswith("rounds/"):
            assert after[name] == data, name
        if name in TABLES:  # where a column is new, it is the last
            assert all(new.startswith(old) for old, new in zip(lines_of(data), lines_of(after[name]), strict=False))
    assert read(runs / "cut").status == "done"
    assert not any(check.wrong for check in verify(runs / "cut"))


def test_a_later_version_reads_compares_and_verifies_it(runs: Path) -> None:
    before = files(runs)
    told = later(
        ["verify", "done", "cut"],
        ["run", "resume=done"],
        ["compare", "done", "-o", "x.json", "--format", "json"],
        cwd=runs,
    )
    assert "2 of 2 runs are in order" in told
    assert "is done, and all of it is as it was written" in told
    assert {row["test_top2"] for row in json.loads((runs / "x.json").read_text())["rows"]} == {None}
    after = files(runs)
    assert {name: after[name] for name in before} == before


def test_a_later_version_goes_on_with_it_in_its_own_format(runs: Path, lth: Lth) -> None:
    run = runs / "cut"
    before = files(run)
    later(["run", "resume=cut"], ["verify", "cut"], ["compare", "cut", "--format", "csv", "-o", "x.csv"], cwd=runs)
    after = files(run)
    assert json.loads(after["run.json"])["format"] == 3
    for name, data in before.items():
        if name.startswith("rounds/"):
            assert after[name] == data
    second = ["reaches_dense_at"] if json.loads(before["run.json"])["format"] == 1 else []
    for name, new in (
        ("history.csv", [*second, "test_top2", "val_top2"]),
        ("curves.csv", ["val_top2", "test_top2"]),
        ("layers.csv", []),
    ):
        head, *rows = lines_of(before[name])
        head_after, *rows_after = lines_of(after[name])
        assert head_after == ",".join([head, *new])
        assert rows_after[: len(rows)] == [row + "," * len(new) for row in rows]
        assert not any(row.endswith(",") for row in rows_after[len(rows) :])
    new_rows = [row for row in history(run) if int(row["round"]) >= 2]
    assert len(new_rows) == 2 * 2 * 3
    assert all(float(row["test_accuracy"]) <= float(row["test_top2"]) <= 1 for row in new_rows)
    with open(runs / "x.csv") as file:
        compared = {row["arm"]: row["test_top2"] for row in csv.DictReader(file)}
    of_ticket = [float(row["test_top2"]) for row in new_rows if (row["round"], row["arm"]) == ("3", "winning")]
    assert compared["dense"] == ""
    assert float(compared["winning"]) == pytest.approx(sum(of_ticket) / 2)
    refused = lth("run", f"resume={run}")
    assert refused.returncode == 2
    assert refused.stderr == f"lth: {run}/run.json: format 3, but this version of lth reads up to 2\n"


def test_a_younger_column_has_its_default_in_older_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    told, known = Column("told", int, since=2), Column("known", float, since=2, default=0.5)
    monkeypatch.setitem(columns.TABLES, "layers.csv", (*LAYERS, told, known))
    old = header("layers.csv", 1).decode() + "0,dense,3,fc,9,9\n"
    (row,) = parse_table(old, "layers.csv", 1)
    assert (row["told"], row["known"]) == (None, 0.5)
    head, _, rows = old.partition("\n")
    assert younger("layers.csv", old.encode()) == [told, known]
    new = filled(rows.encode(), [told, known])
    assert new == b"0,dense,3,fc,9,9,,0.5\n"
    assert lines("layers.csv", [row]) == new
    assert parse_table(f"{head},told,known\n{new.decode()}", "layers.csv", 2) == [row]
    with pytest.raises(ValueError, match="no column known, told"):
        parse_table(old, "layers.csv", 2)
    with pytest.raises(ValueError, match="int"):
        parse_table(f"{head},told,known\n0,dense,3,,9,,,\n", "layers.csv", 2)


KILLS = """
from pathlib import Path
from lth_cli.rundir.config import read_config
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.manifest import Manifest, damage
from lth_cli.rundir.read import read
from lth_cli.rundir.write import Writer

def die_after(writes):
    replace, left = os.replace, [writes]
    def dying(*paths, **folders):
        if not left[0]:
            os._exit(0)
        left[0] -= 1
        replace(*paths, **folders)
    os.replace = dying

for writes in range(7):
    path = Path(shutil.copytree("cut", f"cut{writes}"))
    old = reopen(path)
    if os.fork() == 0:
        die_after(writes)
        Writer(path, (path / "config.yaml").read_text(), {"keep": old.record["keep"]}, old)
        os._exit(0)
    os.wait()
    run, left = read(path), reopen(path)
    values = {row["test_top2"] for row in run.history}
    print(run.record["format"], left.rounds, left.broken, values, left.tables == old.tables)
"""


def test_a_kill_while_tables_are_rewritten_costs_no_round(runs: Path) -> None:
    """After each of the six files that are written before a round of another format can be."""
    assert reopen(runs / "cut").rounds == 2
    done = python(LATER + KILLS, cwd=runs)
    assert done.stderr == ""
    old = json.loads((runs / "cut" / "run.json").read_text())["format"]
    kept = [line.replace("False", "True") for line in done.stdout.splitlines()]
    assert kept == [f"{old} 2 [] {{None}} True"] * 6 + ["3 2 [] {None} True"]


@pytest.mark.parametrize("table", ["history.csv", "curves.csv"])
def test_a_column_that_should_be_there_is_missed(table: str, runs: Path) -> None:
    """In a run of the format that brought it, and in one of any format where it has always been there."""
    later(["run", "resume=cut"], cwd=runs)
    run = runs / "cut"
    head, newline, rows = (run / table).read_text().partition("\n")
    for column in ("test_top2", "test_loss"):
        (run / table).write_text(head.replace(column, "x") + newline + rows)
        done = python(LATER + COMMANDS, json.dumps(["verify", "cut"]), cwd=runs)
        assert done.returncode == 1
        assert f"{table}: no column {column}" in done.stdout


def test_a_run_goes_on_with_the_recipe_that_was_the_default_when_it_began(runs: Path, lth: Lth) -> None:
    """But not where another is asked for, nor by a config that is not as it was written."""
    config = (runs / "cut" / "config.yaml").read_text()
    (lr,) = [line for line in config.splitlines() if line.startswith("  lr:")]
    other = lth("run", f"resume={runs / 'cut'}", "train.lr=0.3")
    assert other.returncode == 2
    assert f"train.lr (was {lr.split()[1]}, not 0.3)" in other.stderr
    (runs / "cut" / "config.yaml").write_text(config.replace(lr, "  lr: 0.25"))
    changed = lth("run", f"resume={runs / 'cut'}")
    assert changed.returncode == 2
    assert "train.lr (was 0.25, not " in changed.stderr
    (runs / "cut" / "config.yaml").write_text(config)
    assert lth("run", f"resume={runs / 'cut'}", "eval_every=2it").returncode == 0
    assert f"{lr}\n" in (runs / "cut" / "config.yaml").read_text()
