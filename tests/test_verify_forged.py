"""`lth verify` and `lth compare` find what is forged so that every hash holds, and open nothing beside the run."""

import csv
import io
import json
import os
import re
from pathlib import Path

import pytest

from lth_cli.rundir.intact import reopen
from tests.command import Lth
from tests.lies import believed, swap, wrong


def chosen_controls(run: Path, text: str) -> None:
    record = json.loads((run / "run.json").read_text())
    record["choices"]["controls"] = text
    (run / "run.json").write_text(json.dumps(record))
    believed(run)


@pytest.mark.parametrize("kind", ["a file", "a pipe", "a bomb"])
def test_a_choice_that_is_no_option_opens_nothing(kind: str, run: Path, lth: Lth, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    if kind == "a pipe":
        os.mkfifo(other)
    elif kind == "a file":
        other.write_text("a secret [ : \n- x")
        os.utime(other, (1, 1))
    else:
        aliases = (f"a{i}: &a{i} {{l: *a{i - 1}, r: *a{i - 1}}}\n" for i in range(1, 26))
        other.write_text("a0: &a0 {x: 1, y: 2}\n" + "".join(aliases))
    for name in (tmp_path / "other", os.path.relpath(tmp_path / "other", Path("conf/controls").absolute())):
        chosen_controls(run, f"random_reinit,random_mask,{name}")
        done = lth("verify", str(run))
        assert (done.returncode, done.stderr) == (1, "")
        assert "choices names the controls" in done.stdout
        assert "secret" not in done.stdout
        assert "DONE" not in done.stdout
    assert kind != "a file" or other.stat().st_atime == 1


def swallowed(path: Path, table: str, cell: str) -> None:
    """The true rows are a name in the header, and others follow: their rounds are spelt so that they have no hash."""
    head, _, body = (path / table).read_text().partition("\n")
    rows = list(csv.reader(io.StringIO("".join(f"0{line}\n" for line in body.splitlines()))))
    for row in rows:
        if row[1] == "random_mask":
            row[head.split(",").index(cell)] = "0.05"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    (path / table).write_text(f'{head},"\n{body}"\n{text.getvalue()}')


def test_rows_that_are_hidden_in_a_header_are_found_by_every_reader(run: Path, lth: Lth) -> None:
    whole = (run / "curves.csv").read_bytes()
    for table in ("history.csv", "curves.csv"):
        swallowed(run, table, "test_accuracy")
    assert lth("verify", str(run)).returncode == 1
    compared = lth("compare", str(run))
    assert (compared.returncode, compared.stdout) == (2, "")
    assert "its first line is not that of a format" in compared.stderr
    assert not reopen(run).done
    assert lth("run", f"resume={run}").returncode == 0
    assert ((run / "curves.csv").read_bytes(), wrong(run)) == (whole, {})


@pytest.mark.parametrize("table", ["history.csv", "curves.csv", "layers.csv"])
@pytest.mark.parametrize(
    "kind", ["00", "+0", '"0"', "\u0661", " 0", "over lines", "a carriage return", "one cell more"]
)
def test_rows_without_a_hash_are_never_read(kind: str, table: str, run: Path, lth: Lth) -> None:
    """Such as of a round that is spelt in another way."""
    last = (run / table).read_text().splitlines()[-1]
    cells = last.split(",")
    row = {
        "over lines": last.replace("random_mask", '"random\nmask"'),
        "a carriage return": f"{last}\r{last}",
        "one cell more": f"{last},1",
    }.get(kind, ",".join([kind, *cells[1:]]))
    with open(run / table, "a", newline="") as file:
        file.write(row + "\n")
    assert not reopen(run).done
    verified = lth("verify", str(run))
    assert verified.returncode == 1
    assert re.search(f"{table}.*: line [0-9]+ is no row|carriage return", verified.stdout)
    assert lth("compare", str(run)).returncode == (2 if table == "history.csv" else 0)


def test_rows_beyond_the_manifest_count_nowhere(run: Path, lth: Lth) -> None:
    """A kill came before it was written, or somebody has added them."""
    more = (run / "history.csv").read_text().splitlines()[-1]
    with open(run / "history.csv", "a") as file:
        file.write(more.replace("3,", "4,", 1) + "\n")
    assert wrong(run)["files"] == ["round 4 is not in manifest.json"]
    compared = lth("compare", str(run))
    assert (compared.returncode, compared.stdout) == (2, "")
    assert "history.csv: round 4 is not in manifest.json" in compared.stderr


def test_a_config_that_changed_is_left_out_of_a_comparison(run: Path, lth: Lth) -> None:
    swap("config.yaml", "batch_size: 60", "batch_size: 6000")(run)
    compared = lth("compare", str(run))
    assert (compared.returncode, compared.stdout) == (2, "")
    assert "config.yaml: not the bytes that were written" in compared.stderr
