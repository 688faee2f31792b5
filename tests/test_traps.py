"""Traps that readers found in run directories of somebody else, each sprung for real."""

import json
import os
import sys
from pathlib import Path

import pytest

from lth_cli.pictures import canvas
from lth_cli.rundir import config
from lth_cli.rundir.config import parse_yaml
from lth_cli.rundir.pictures import clear
from lth_cli.rundir.within import write
from tests.command import Lth
from tests.interrupted import start
from tests.lies import believed


@pytest.mark.parametrize("nested", ["- " * 60_000, "? " * 60_000, "-\t" * 60_000, "[" * 60_000, "{a: " * 60_000])
def test_values_that_nest_without_end_are_refused(nested: str, run: Path, lth: Lth) -> None:
    """And do not crash the library that reads them fast."""
    with open(run / "config.yaml", "a") as file:
        file.write(f"deep:\n  {nested}x\n")
    for command in (("compare", "run"), ("verify", "run"), ("run", "resume=run", "safe=true")):
        done = lth(*command)
        assert done.returncode != 0
        assert len((done.stdout + done.stderr).splitlines()) < 20


def test_what_runs_write_is_read_as_ever() -> None:
    text = "a:\n- 1\n- - 2\n  - x - y\nb: {}\nc: []\nd: 'it: - is'\ne: 1e-3\n"
    assert parse_yaml(text) == {"a": [1, [2, "x - y"]], "b": {}, "c": [], "d": "it: - is", "e": "1e-3"}


@pytest.mark.parametrize("step", ["{}a:\n", "{}-\n", "{}- a:\n"])
def test_nor_do_lines_that_nest(step: str, run: Path, lth: Lth) -> None:
    with open(run / "config.yaml", "w") as file:
        file.write("".join(step.format(" " * 2 * i) for i in range(2000)))
    done = lth("compare", "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "lth: damaged: run/config.yaml" in done.stderr


def test_blank_lines_are_not_looked_at_again_for_each_other(run: Path, lth: Lth) -> None:
    """A quarter of a megabyte took minutes."""
    with open(run / "config.yaml", "a") as file:
        file.write("\n" * 250_000)
    believed(run)
    assert lth("compare", "run").returncode == 0


def test_numbers_that_have_one_hash_are_refused(run: Path, lth: Lth) -> None:
    """A hundred thousand of them in a set took minutes."""
    alike = [(2**61 - 1) * i for i in range(100_000)]
    record = json.loads((run / "run.json").read_text())
    lost = [{"round": 1, "seed": seed, "arm": "winning", "what": "nan"} for seed in alike[:40_000]]
    for key, value in (("seeds", alike), ("diverged", lost)):
        (run / "run.json").write_text(json.dumps({**record, key: value}))
        assert f"damaged: run/run.json: {key}" in lth("compare", "run").stderr
    (run / "run.json").write_text(json.dumps(record))
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "rows": {str(one): {} for one in alike}}))
    assert lth("verify", "run").returncode == 1


def test_a_glob_follows_no_link(run: Path, lth: Lth) -> None:
    (run.parent / "some").mkdir()
    (run.parent / "some" / "link").symlink_to(run)
    assert lth("compare", "some/*").returncode == 2
    assert lth("compare", "some/link").returncode == 0


def test_a_config_as_runs_write_it_is_read_by_the_fast_library(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_Plain", None)
    for path in (run, *Path(__file__).parent.glob("stored/*/*")):
        assert isinstance(parse_yaml((path / "config.yaml").read_text()), dict)


def test_pictures_of_others_stay_and_nothing_behind_a_link_is_touched(run: Path) -> None:
    elsewhere = run.parent / "elsewhere"
    elsewhere.mkdir()
    for name in ("accuracy.svg", "notes.svg"):
        (elsewhere / name).write_text("mine")
    (run / "pictures").symlink_to(elsewhere)
    clear(run)
    assert sorted(os.listdir(elsewhere)) == ["accuracy.svg", "notes.svg"]
    (run / "pictures").unlink()
    (run / "pictures").mkdir()
    for name in ("accuracy.svg", "curves.svg", "notes.svg"):
        write(run, f"pictures/{name}", b"<svg/>")
    clear(run)
    assert sorted(os.listdir(run / "pictures")) == ["curves.svg", "notes.svg"]


@pytest.mark.parametrize("value", ["${oc.env:SECRET}", "${output}" * 100])
def test_no_interpolation_comes_back_with_a_recipe(value: str, run: Path, lth: Lth) -> None:
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("iterations: 4it", f"iterations: {value}"))
    believed(run)
    done = lth("run", "resume=run", "safe=true", SECRET="hunter2")
    assert done.returncode == 2
    assert "hunter2" not in done.stdout + done.stderr


def test_numbers_beyond_all_bounds_are_no_traceback(run: Path, lth: Lth, tmp_path: Path) -> None:
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("seed: 0", f"seed: {'9' * 400}"))
    believed(run)
    assert lth("compare", "run", "--where", "seed=1").returncode == 2
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps({"format": 1, "expected": 10**400, "jobs": []}))
    for command in ("watch", "verify"):
        done = lth(command, "sweep")
        assert len((done.stdout + done.stderr).splitlines()) < 5
        assert max(map(len, (done.stdout + done.stderr).splitlines())) < 300


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_record_of_other_rounds_is_refused_in_a_line(rounds: int, run: Path, lth: Lth) -> None:
    """Also where it has the dense one only, from which no schedule goes on."""
    record = json.loads((run / "run.json").read_text())
    keep = [record["keep"][0] + 1, *record["keep"][1:rounds]]
    (run / "run.json").write_text(json.dumps({**record, "keep": keep, "status": "interrupted"}))
    believed(run)
    done = lth("run", "resume=run", "safe=true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"lth: rounds, sparsity: round 0 is done and keeps {keep[0]} weights; here")
    assert len(done.stderr.splitlines()) == 2
    assert ("sparsity.target=" in done.stderr) == (rounds > 1)


def test_pictures_are_not_drawn_behind_a_link_that_was_there(run: Path, lth: Lth) -> None:
    """But where the user names it."""
    elsewhere = run.parent / "elsewhere"
    elsewhere.mkdir()
    (run.parent / "pictures").symlink_to(elsewhere)
    done = lth("plot", "run", "--kind=cost")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lth: pictures is a link; -o pictures follows it\n"
    assert not list(elsewhere.iterdir())
    assert lth("plot", "run", "--kind=cost", "-o", "pictures").stdout == "wrote pictures/cost.svg\n"
    assert [file.name for file in elsewhere.iterdir()] == ["cost.svg"]


def test_nor_behind_one_that_comes_while_they_are_drawn(run: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch) -> None:
    def planting(*arguments: object) -> bytes:
        (run.parent / "pictures").symlink_to(run)
        return b"<svg/>"

    monkeypatch.setattr(canvas, "rendered", planting)
    done = lth("plot", "run", "--kind=cost")
    assert (done.returncode, done.stderr) == (2, "lth: pictures: not a folder\n")
    assert not (run / "cost.svg").exists()


def test_what_cannot_be_written_as_a_picture_is_one_line(run: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*arguments: object) -> bytes:
        raise ValueError("Image size of 10 pixels is too large")

    monkeypatch.setattr(canvas, "rendered", failing)
    done = lth("plot", "run", "--kind=cost")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "lth: cost is not drawn: ValueError: Image size of 10 pixels is too large",
        "lth: no picture was drawn",
    ]


def test_tables_that_do_not_fit_each_other_are_one_line_of_a_picture(tmp_path: Path, lth: Lth) -> None:
    start(tmp_path / "run", "controls=[]")
    for table in ("layers.csv", "curves.csv"):
        text = (tmp_path / "run" / table).read_text()
        (tmp_path / "run" / table).write_text(text.replace("winning", "other"))
    believed(tmp_path / "run")
    done = lth("plot", "run", "--kind", "layers,curves,accuracy")
    assert done.returncode == 0
    assert "wrote pictures/accuracy.svg" in done.stdout
    assert all(line.startswith("lth: ") for line in done.stderr.splitlines())
    assert "matplotlib" in sys.modules
