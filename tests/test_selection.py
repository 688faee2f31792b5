"""What of many runs a comparison shows: by conditions, arms, density, order."""

import csv
import io
import json
from dataclasses import replace

import polars
import pytest

from lth_cli.report.formats import latex, to_csv, to_json, to_parquet
from lth_cli.report.table import compared
from lth_cli.report.terminal import Terminal
from lth_cli.results.compare import Row, compare, rows_of
from lth_cli.results.experiment import gathered, last, nearest_to
from lth_cli.results.selection import conditions, in_order, rows_where, runs_where
from lth_cli.rundir.read import Run
from tests.command import Lth
from tests.records import run

MADE = {(0, "dense", 0): 0.9, (1, "winning", 0): 0.88, (2, "winning", 0): 0.8, (2, "random_mask", 0): 0.5}


def runs() -> list[Run]:
    return [
        run(
            {place: value - 0.01 * i for place, value in MADE.items()},
            train={"lr": lr},
            rewind={"_target_": name},
            record={"choices": {"rewind": name}},
        )
        for i, (name, lr) in enumerate([("init", 1e-3), ("late", 1e-3), ("late", 2e-3)])
    ]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("rewind=late", [1, 2]),
        ("rewind!=late", [0]),
        ("rewind=LATE train.lr>1e-3", [2]),
        ("train.lr<=0.001", [0, 1]),
        ("train.lr=2e-3", [2]),
        ("rewind>=late", []),
        ("density<0.05", [0, 1, 2]),
    ],
)
def test_runs_that_meet_all_conditions(text: str, left: list[int]) -> None:
    made = runs()
    assert [made.index(one) for one in runs_where(made, conditions(text))] == left


def test_rows_that_meet_them_and_dense_beside_them() -> None:
    rows = compare(runs()[:1], rounds=nearest_to(0.09))
    assert [(row.arm, row.round) for row in rows] == [("dense", 0), ("winning", 1), ("winning", 2), ("random_mask", 2)]
    kept = rows_where(rows, conditions("sparsity>=0.95"), [])
    assert [(row.arm, row.round) for row in kept] == [("dense", 0), ("winning", 2), ("random_mask", 2)]
    assert [row.arm for row in rows_where(rows, [], ["random_mask"])] == ["random_mask"]


def test_experiments_in_the_order_of_their_tickets() -> None:
    rows = compare(runs())
    assert [row.accuracy for row in in_order(rows, "accuracy") if row.arm == "winning"] == pytest.approx(
        [0.78, 0.79, 0.8]
    )
    assert in_order(rows, "-accuracy")[0].accuracy == pytest.approx(0.9)
    assert {row.run for row in in_order(rows, "accuracy")[:3]} == {rows[-1].run}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--where", "late"), "--where late: conditions such as"),
        (("--where", ""), "--where : conditions such as"),
        (("--where", "sead=0"), "--where sead: no run has that key; did you mean seed?"),
        (("--where", "seed=7"), "nothing to compare"),
        (
            ("--arms", "wining"),
            "--arms wining: there are dense, random_mask, random_reinit, winning; did you mean winning?",
        ),
        (("--sort", "accurcy"), "--sort accurcy: one of density"),
        (("--at", "0"), "0 is not a fraction of weights kept"),
        (("--at", "x"), "x is not a fraction of weights kept"),
        (("--at", "0.5", "--rounds"), "not allowed with"),
        (("--format", "parquet"), "--format parquet: name a file with -o"),
        (("-o", ""), "-o '': name a file"),
        (("--by", "seed"), "--by seed: runs that differ in it alone are one experiment"),
        (("--by", "rewnd"), "--by rewnd: no run has that key; did you mean rewind?"),
        (("--baseline", "nowhere"), "--baseline nowhere: it holds no finished run"),
        (("--budget", "--rounds"), "not allowed with"),
    ],
)
def test_what_is_not_there_is_said(options: tuple[str, ...], said: str, lth: Lth, run: object) -> None:
    done = lth("compare", "run", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_all_of_it_on_the_command_line(lth: Lth, run: object) -> None:
    options = ("--at", "0.5", "--arms", "winning,dense", "--where", "seed=0 density<0.9", "--sort=-accuracy")
    rows = json.loads(lth("compare", "run", *options, "--format", "json").stdout)["rows"]
    assert [row["arm"] for row in rows] == ["dense", "winning"]
    assert rows[1]["round"] in (1, 2)


KEYS = {"accuracy": "0.99", "run": "mine", "a[/b]": "[/x]", "evil": "\ud800\x1b[31m"}


def of_keys(*keys: str) -> list[Row]:
    return rows_of(gathered([run({(0, "dense", 0): 0.5}, **KEYS)])[0].showing(last), 1.0, keys)


def test_a_key_with_the_name_of_a_field_takes_its_place_in_no_file() -> None:
    rows = of_keys(*KEYS)
    document = json.loads(to_json(rows))["rows"][0]
    of_csv = next(csv.DictReader(io.StringIO(to_csv(rows))))
    of_parquet = polars.read_parquet(io.BytesIO(to_parquet(rows))).row(0, named=True)
    for row in (document, of_csv, of_parquet):
        assert (float(row["accuracy"]), row["by.accuracy"]) == (0.5, "0.99")
        assert (row["run"], row["a[/b]"], row["evil"].lstrip("'")) == ("m d", "[/x]", "��[31m")


def test_keys_and_values_are_text_in_a_table_of_the_terminal_and_of_tex() -> None:
    rows = of_keys("a[/b]")
    text = io.StringIO()
    compared(Terminal(file=text, width=200), rows)
    assert "a[/b]" in text.getvalue()
    assert "[/x]" in text.getvalue()
    lines = latex([replace(row, run=name, group=name) for row in rows for name in ("[1pt]", "*")]).splitlines()
    assert [line.partition(" & ")[0] for line in lines if "dense" in line][:2] == ["{[}1pt]", "{*}"]
