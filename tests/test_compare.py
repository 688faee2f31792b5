"""Statistics and verdicts, by hand; and the same rows in every format."""

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import polars
import pytest

from lth_cli.pictures.accuracy import figure
from lth_cli.pictures.canvas import rendered
from lth_cli.pictures.studies import studies
from lth_cli.report import collected, columns, formats, table
from lth_cli.report.terminal import Terminal
from lth_cli.results.compare import Row, compare
from lth_cli.results.experiment import every
from lth_cli.results.statistics import Paired
from lth_cli.rundir.columns import MOST_COUNTED
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.read import read
from lth_cli.rundir.sameness import ROLES, Role
from tests.command import Lth
from tests.records import run


def test_differences_are_those_of_the_same_seed() -> None:
    """Seeds that lie far apart tell little of their mean, and much of their differences."""
    winning = compare(
        [run({(0, "dense", 0): 0.50, (0, "dense", 1): 0.90, (1, "winning", 0): 0.52, (1, "winning", 1): 0.93})]
    )[-1]
    assert winning.difference == pytest.approx(2.5)
    assert winning.interval == pytest.approx(Paired.of([2.0, 3.0]).margin)


PAIR = {(0, "dense", 0): 0.90, (0, "dense", 1): 0.92, (1, "winning", 0): 0.91, (1, "winning", 1): 0.95,
        (1, "random_reinit", 0): 0.80, (1, "random_reinit", 1): 0.81}  # fmt: skip


def by_arm(rows: list[Row]) -> dict[str, Row]:
    return {row.arm: row for row in rows}


def test_rows_by_hand() -> None:
    rows = by_arm(compare([run(PAIR)]))
    winning, control = rows["winning"], rows["random_reinit"]
    assert (winning.run, winning.seeds, winning.round, winning.density) == ("m d", 2, 1, 0.1)
    assert (winning.remaining, winning.parameters_kept, winning.parameters) == (100, 110, 1010)
    assert winning.accuracy == pytest.approx(0.93)
    assert winning.spread == pytest.approx(0.02 * 2**0.5)
    assert (winning.accuracy_min, winning.accuracy_max) == (0.91, 0.95)
    assert winning.difference == pytest.approx(2.0)
    assert winning.retained == pytest.approx(0.93 / 0.91)
    assert (winning.early_stop, winning.early_stop_ratio) == (50, 0.5)
    assert control.gap == pytest.approx(100 * ((0.91 - 0.80) + (0.95 - 0.81)) / 2)
    assert control.gap_interval == pytest.approx(Paired.of([11.0, 14.0]).margin)
    assert (winning.gap, rows["dense"].gap, rows["dense"].verdict) == (None, None, "")
    assert (winning.verdict, winning.verdict_seeds, winning.controls_beaten, winning.controls) == ("undecided", 2, 0, 1)
    assert (control.beats, control.seeds_to_tell) == ("undecided", 3)


def test_seeds_of_several_runs_are_one_experiment_and_a_seed_counts_once() -> None:
    one = {(0, "dense", 0): 0.9, (1, "winning", 0): 0.9}
    two = {(0, "dense", 1): 0.8, (1, "winning", 1): 0.8}
    again = {(0, "dense", 0): 0.7, (1, "winning", 0): 0.7}
    runs = [run(one, seed=0), run(two, seed=1), run(again, seed=0, record={"started": "2027"})]
    rows = by_arm(compare(runs))
    assert rows["winning"].seeds == 2
    assert rows["winning"].accuracy == pytest.approx(0.75)


def test_experiments_are_named_by_what_tells_them_apart() -> None:
    choices = [{"model": "m", "dataset": "d", "rewind": name} for name in ("init", "late")]
    runs = [run(PAIR, rewind=c["rewind"], record={"choices": c}) for c in choices]
    assert [row.run for row in compare(runs)][::3] == ["rewind=init", "rewind=late"]
    runs = [run(PAIR, sparsity={"target": target}) for target in (0.5, 0.9)]
    assert [row.run for row in compare(runs)][::3] == ["sparsity.target=0.5", "sparsity.target=0.9"]


@pytest.mark.parametrize("key", [key for key, role in ROLES.items() if role is Role.MANNER])
def test_how_and_where_a_run_worked_makes_no_other_experiment(key: str) -> None:
    runs = [run({(0, "dense", seed): 0.9, (1, "winning", seed): 0.9}, **{key: str(seed)}) for seed in (0, 1)]
    assert [(row.run, row.seeds) for row in compare(runs)] == [("m d", 2), ("m d", 2)]


def test_every_round_or_the_last() -> None:
    two = {**PAIR, (2, "winning", 0): 0.9, (2, "winning", 1): 0.9}
    last = [(row.round, row.arm) for row in compare([run(two)])]
    assert last == [(0, "dense"), (1, "winning"), (1, "random_reinit"), (2, "winning")]
    assert [row.round for row in compare([run(two)], rounds=every)] == [0, 1, 1, 2]


def test_experiments_under_different_choices_have_different_names() -> None:
    choices = {"model": "m", "dataset": "d"}
    runs = [
        run(PAIR, sparsity={"kind": kind, "target": target}, record={"choices": {**choices, "sparsity": kind}})
        for kind, target in (("geometric", 0.5), ("geometric", 0.9), ("linear", 0.9))
    ]
    assert [row.run for row in compare(runs)][::3] == [
        "sparsity=geometric sparsity.target=0.5",
        "sparsity=geometric sparsity.target=0.9",
        "sparsity=linear sparsity.target=0.9",
    ]


@pytest.mark.parametrize(("a", "b"), [({"x": None}, {}), ({"x": {}}, {}), ({"x": 1}, {"x": "1"})])
def test_no_two_experiments_share_a_name(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert len({row.run for row in compare([run(PAIR, **a), run(PAIR, **b)])}) == 2


def test_a_minimum_at_the_end_is_a_lower_bound() -> None:
    rows = by_arm(compare([run(PAIR)]))
    assert (rows["dense"].early_stop_at_end, rows["winning"].early_stop_at_end) == (True, False)
    assert [rows[arm].early_stop_ratio_bound for arm in ("dense", "winning")] == ["", "≤"]
    text = formats.markdown(list(rows.values()))
    assert "| ≥ 100 |" in text
    assert "| 50 (≤ 0.50x) |" in text


def test_what_is_not_trained_has_no_early_stop() -> None:
    untrained = run(PAIR)
    for row in untrained.history:
        if row["arm"] == "random_reinit":
            row.update(iterations=0, early_stop_iteration=0)
    early = {row.arm: columns.early_stop(row) for row in compare([untrained])}
    assert (early["random_reinit"], early["winning"]) == ("", "50 (≤ 0.50x)")


def test_a_seed_in_which_nothing_is_trained_has_no_ratio() -> None:
    untrained = run(PAIR)
    for row in untrained.history:
        if row["arm"] == "winning" and row["seed"] == 1:
            row.update(iterations=0, early_stop_iteration=0)
    winning = by_arm(compare([untrained]))["winning"]
    assert (winning.early_stop, winning.early_stop_ratio, winning.early_stop_ratio_low) == (25, 0.5, None)


def test_the_table_of_a_run_says_how_many_seeds() -> None:
    for run_of, seeds in ((run(PAIR), "2"), (run({(0, "dense", 3): 0.9}), "1")):
        cells = {column.title: column.cell for column in columns.SUMMARY}
        assert {cells["seeds"](row) for row in compare([run_of])} == {seeds}


def test_every_format_has_every_row() -> None:
    rows = compare([run(PAIR)])
    parsed = list(csv.DictReader(io.StringIO(formats.to_csv(rows))))
    assert [row["arm"] for row in parsed] == ["dense", "winning", "random_reinit"]
    assert float(parsed[1]["accuracy"]) == rows[1].accuracy
    document = json.loads(formats.to_json(rows, tolerance=1.0, skipped=["damaged: x"]))
    assert document["rows"][1]["verdict"] == rows[1].verdict
    assert document["skipped"] == ["damaged: x"]
    assert formats.markdown(rows).count("\n") == 2 + 3
    text = io.StringIO()
    table.compared(Terminal(file=text, width=200), rows)
    assert "93.00 ± 2.83" in text.getvalue()
    assert "…" not in text.getvalue()


def test_csv_and_parquet_are_read_back_as_the_same_frame() -> None:
    """Of numbers as numbers, also where a cell is empty, and of names with commas and quotes as they are."""
    rows = compare([run(PAIR, record={"choices": {"model": 'a,"b"', "dataset": "d"}})])
    frame = polars.read_parquet(io.BytesIO(formats.to_parquet(rows)))
    text = polars.read_csv(io.StringIO(formats.to_csv(rows)), infer_schema_length=None)
    filled = [name for name in frame.columns if frame[name].null_count() < len(frame)]
    assert {name for name in frame.columns if frame[name].null_count() > 0} & set(filled) >= {"gap", "interval"}
    assert text[filled].equals(frame[filled])
    assert frame["run"][0] == text["run"][0] == 'a,"b" d'


def test_many_runs_are_read_in_several_processes_as_in_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their order, with a line for each that is left out."""
    for i in range(20):
        shutil.copytree(run, tmp_path / "many" / f"{i:02}")
    (tmp_path / "many" / "07" / "run.json").write_text("{")
    alone = collected.collect([tmp_path / "many"])
    assert (len(alone[0]), len(alone[1])) == (19, 1)
    monkeypatch.setattr(collected, "_MANY", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    here = os.getpid()
    monkeypatch.setattr(collected, "changed_in", lambda *_: "read here" if os.getpid() == here else None)
    assert collected.collect([tmp_path / "many"]) == alone


@pytest.mark.parametrize("seconds", ["1e308", "inf", "nan", "-1.0", "9" * 400])
def test_a_number_that_cannot_be_in_one_run_hides_no_other(seconds: str, run: Path, lth: Lth, tmp_path: Path) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    lines = (other / "history.csv").read_text().splitlines()
    at = lines[0].split(",").index("train_seconds")
    changed = [",".join([*cells[:at], seconds, *cells[at + 1 :]]) for cells in (line.split(",") for line in lines[1:])]
    (other / "history.csv").write_text("\n".join([lines[0], *changed]) + "\n")
    compared = lth("compare", "run", "other", "--format", "json")
    assert compared.returncode == 0
    assert compared.stderr.startswith("lth: damaged: other/history.csv: ")
    assert {row["seeds"] for row in json.loads(compared.stdout)["rows"]} == {1}


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_of_the_largest_numbers_all_is_computed(form: str) -> None:
    """By what is made of them, as ratios and work, and by what they are written to."""
    large = run(
        PAIR | {(2, arm, seed): 0.9 for arm in ("winning", "random_reinit") for seed in (0, 1)},
        train={"batch_size": MOST_COUNTED},
        record={"flops_per_example": MOST_COUNTED, "parameters": MOST_COUNTED},
    )
    for row in large.history:
        row |= {"iterations": MOST_COUNTED, "remaining": MOST_COUNTED, "total": MOST_COUNTED}
        row["early_stop_iteration"] = 1 if (row["arm"] == "dense") == row["seed"] else MOST_COUNTED - 10_000
    rows = compare([large], rounds=every)
    assert formats.to_json(rows) if form == "json" else formats.to_parquet(rows)
    assert (by_arm(rows)["winning"].early_stop_ratio_high or 0) > 1e200


@pytest.mark.parametrize("name", ["round", "remaining", "total", "iterations", "early_stop_iteration"])
def test_larger_ones_are_damage(name: str, run: Path) -> None:
    lines = (run / "history.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines]
    rows[-1][rows[0].index(name)] = str(MOST_COUNTED + 1)
    (run / "history.csv").write_text("".join(",".join(cells) + "\n" for cells in rows))
    with pytest.raises(Damaged, match=rf"history.csv: line {len(rows)}: {name} is 9223372036854775808"):
        read(run)


def test_so_they_are_in_a_record(run: Path) -> None:
    record = json.loads((run / "run.json").read_text()) | {"parameters": MOST_COUNTED + 1}
    (run / "run.json").write_text(json.dumps(record))
    with pytest.raises(Damaged, match=r"run.json: parameters is 9223372036854775808"):
        read(run)


def test_json_never_holds_nan() -> None:
    """Where dense has nothing right, nothing is retained of it."""
    rows = compare([run({(0, "dense", 0): 0.0, (1, "winning", 0): 0.5})])
    assert [row.retained for row in rows] == [None, None]
    assert "NaN" not in formats.to_json(rows)
    table.show(Terminal(file=io.StringIO()), table.summary(rows))


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture_is_drawn(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"picture.{ending}"
    file.write_bytes(rendered(figure(studies([run(PAIR)])).figure, ending))
    assert file.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")
