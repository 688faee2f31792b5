"""`lth verify` and `lth compare` find what is forged so that every hash holds, and open nothing beside the run."""

import csv
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lth_cli.results.checks import pruned
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.columns import FORMAT
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.tables import header, lines, parse_table
from tests.command import Lth
from tests.interrupted import start
from tests.lies import believed, change, claim, swap, without, wrong


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
    for table in ("history.csv", "curves.csv"):
        swallowed(run, table, "test_accuracy")
    assert lth("verify", str(run)).returncode == 1
    compared = lth("compare", str(run))
    assert (compared.returncode, compared.stdout) == (2, "")
    assert "its first line is not that of a format" in compared.stderr
    with pytest.raises(Damaged, match="its first line is not that of a format"):
        reopen(run)
    assert lth("run", f"resume={run}").returncode == 2


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


TABLES = ("history.csv", "layers.csv", "curves.csv")
COPIED = {
    "dense": ((1, "winning", 0), (0, "dense", 0)),
    "a control": ((2, "random_mask", 0), (2, "random_reinit", 0)),
    "another round": ((3, "winning", 0), (2, "winning", 0)),
}


def rows(run: Path, table: str) -> list[dict[str, Any]]:
    return parse_table((run / table).read_text(), table, FORMAT)


def key(row: dict[str, Any]) -> tuple[int, str, int]:
    return row["round"], row["arm"], row["seed"]


def with_rows(run: Path, table: str, new: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Each row of a table with something else in it."""
    (run / table).write_bytes(header(table) + lines(table, [{**row, **new(row)} for row in rows(run, table)]))


@pytest.mark.parametrize("source", COPIED)
def test_numbers_that_are_copied_from_another_arm_are_found(source: str, run: Path) -> None:
    one, other = COPIED[source]
    own = ("round", "arm", "seed", "density", "sparsity", "remaining", "total", "iterations")
    for table in ("history.csv", "curves.csv"):
        there = {row.get("iteration"): row for row in rows(run, table) if key(row) == other}

        def copied(row: dict[str, Any], there: dict[Any, dict[str, Any]] = there) -> dict[str, Any]:
            cells = there[row.get("iteration")] if key(row) == one else {}
            return {name: value for name, value in cells.items() if name not in own}

        with_rows(run, table, copied)
    believed(run)
    assert any("the learning curve of" in line for line in wrong(run)["copies"])


@pytest.mark.parametrize(
    "changes",
    [
        ("sparsity.target=0", "controls=[]", "dense_retrained=true"),
        ("sparsity.target=0", "controls=[]", "order=fixed", "rewind=late", "dense_retrained=true"),
        ("sparsity.target=0.999", "controls=[random_mask,random_reinit,constant]"),
        ("controls=[constant]", "controls.constant.draws=3", "init=signed_constant"),
        ("pruner.steps=3",),
        ("pruner=lamp", "pattern=filters", "sparsity.target=0.5"),
        ("pruner=lamp", "rewind=learning_rate"),
        ("pruner.scope=layerwise", "rewind=none", "pruned_to=movement"),
        ("init=signed_constant", "train.lr=1e-6"),
        ("eval_every=4it", "on_divergence=skip", "precision=bf16"),
    ],
)
def test_a_run_whose_arms_train_alike_or_hardly_at_all_is_in_order(changes: tuple[str, ...], tmp_path: Path) -> None:
    """Such as of masks that cut the network in two, or of weights of one size, where ties decide."""
    start(tmp_path / "run", "rounds=2", "replicates=2", *changes)
    assert wrong(tmp_path / "run") == {}


def test_a_ticket_that_magnitude_would_not_find_is_found(run: Path) -> None:
    """Two weights change places."""
    before = load_file(run / "rounds/02/winning_seed0.safetensors")["mask/fc1.weight"]

    def swapped(mask: torch.Tensor) -> torch.Tensor:
        flat = mask.flatten().clone()
        flat[flat.nonzero()[0]], flat[(before.flatten() & ~flat).nonzero()[0]] = False, True
        return flat.view(mask.shape)

    change("rounds/03/winning_seed0.safetensors", "mask/fc1.weight", swapped)(run)
    believed(run)
    (line,) = wrong(run)["pruned"]
    assert line == "round 3, winning, seed 0: 1 weights are not those that lth_cli.pruners.magnitude keeps"


@pytest.mark.parametrize(
    ("table", "column", "words"),
    [
        ("history.csv", "early_stop_test_accuracy", "run.json: test_examples is 20, of which"),
        ("curves.csv", "test_accuracy", "run.json: test_examples is 20, of which"),
        ("curves.csv", "val_accuracy", "config.yaml: val_size is 20, of which"),
    ],
)
def test_an_accuracy_of_no_whole_number_of_images_is_found(table: str, column: str, words: str, run: Path) -> None:
    with_rows(run, table, lambda row: {column: 0.98765} if row["arm"] == "winning" else {})
    believed(run)
    assert wrong(run)["images"][0].startswith(words)


def test_images_that_the_data_set_does_not_have_are_found(run: Path) -> None:
    claim("test_examples", 2_000_000)(run)
    believed(run)
    words = "run.json: test_examples is 2,000,000, the data set of config.yaml has 20"
    assert wrong(run)["images"] == [words]


def test_an_arm_that_is_said_to_have_diverged_and_is_there_is_found(run: Path) -> None:
    """Its rows and its place in the manifest are gone; a name that is no file of a run is not looked for."""
    state = "rounds/01/random_mask_seed0.safetensors"
    aside = (run / state).read_bytes()
    without("random_mask", *TABLES)(run)
    (run / state).write_bytes(aside)
    swap("config.yaml", "on_divergence: stop", "on_divergence: skip")(run)
    record = json.loads((run / "run.json").read_text())
    lost = [{"round": k, "arm": "random_mask", "seed": 0, "what": "x"} for k in (1, 2, 3)]
    lost += [{"round": 1, "arm": "../../../x", "seed": 0, "what": "x"}]
    (run / "run.json").write_text(json.dumps({**record, "diverged": lost}))
    believed(run)
    found = wrong(run)
    assert found["arms"] == ["round 1, random_mask, seed 0: it diverged, as run.json says, but its state is there"]
    words = "on_divergence: config.yaml has skip, conf/config.yaml stop, the command nothing, and arms diverged"
    assert found["composed"] == [words]


def test_a_config_that_hydra_has_otherwise_is_found(lth: Lth, tmp_path: Path) -> None:
    """What a run may go on with may differ, and a try to go on with what it may not leaves nothing."""
    options = ("rounds=1", "controls=[]", "train.iterations=2it", "eval_every=1it", "model.hidden=[8]", "train.lr=5e-5")
    assert lth("run", *options, "hydra.run.dir=run").returncode == 0
    run = tmp_path / "run"
    assert {line for check in verify(run) for line in (*check.wrong, *check.not_known)} == set()
    assert lth("run", "resume=run", "train.lr=1").returncode != 0
    assert wrong(run) == {}
    assert (
        lth("run", "resume=run", "rounds=2", "sparsity.target=0.99", "on_divergence=skip", "executor=serial").returncode
        == 0
    )
    assert wrong(run) == {}
    swap("config.yaml", "order: per_round", "order: fixed")(run)
    believed(run)
    assert ".hydra/config.yaml: order is per_round, config.yaml has fixed" in wrong(run)["composed"]
    (found,) = (check for check in verify(run) if check.name == "composed")
    assert "order: config.yaml has fixed, conf/config.yaml per_round, the command nothing" in found.not_known


def test_a_pattern_that_the_scope_does_not_allow_is_named(run: Path, lth: Lth) -> None:
    swap("config.yaml", "lth_cli.patterns.Unstructured", "lth_cli.patterns.Filters")(run)
    believed(run)
    assert "ValueError: whole filters are counted layer by layer" in wrong(run)["pruned"]
    assert lth("verify", str(run)).returncode == 1


def test_a_check_that_asserts_something_ends_no_other(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asserts(files: object) -> None:
        raise AssertionError("no such thing")

    monkeypatch.setattr(pruned, "Pruner", lambda *_, **__: asserts(None))
    assert wrong(run) == {"pruned": ["AssertionError: no such thing"]}
