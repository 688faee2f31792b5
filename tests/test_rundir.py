"""The run directory: names, writes, reads, tickets."""

import csv
import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import lth_cli
from lth_cli.controls import RandomMask
from lth_cli.controls.control import Control
from lth_cli.core import masks
from lth_cli.core.files import TEMPORARY
from lth_cli.rundir import names
from lth_cli.rundir.config import flat
from lth_cli.rundir.find import find, latest
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.manifest import Manifest, damage
from lth_cli.rundir.read import Damaged, read
from lth_cli.rundir.rows import history_row
from lth_cli.rundir.tables import header
from lth_cli.rundir.write import Writer
from tests.tiny import CONTROLS, arm, imp, mlp

HEADER = header("history.csv").decode()


def write_run(
    path: Path,
    rounds: int = 1,
    seeds: tuple[int, ...] = (0,),
    controls: Mapping[str, Control] = CONTROLS,
    **config: object,
) -> Path:
    """A run directory as `lth run` leaves it, of the tiny problem."""
    path.mkdir(parents=True)
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in {"seed": seeds[0], **config}.items())
    writer = Writer(
        path, text, {"parameters": 300, "choices": {"model": "tiny"}, "keep": [0] * (rounds + 1), "seeds": list(seeds)}
    )
    done = imp(seeds=seeds, rounds=rounds, controls=controls)
    for fitted in done:
        writer.round(fitted)
    for seed in seeds:
        writer.ticket(arm(done[-1], "winning", seed))
    writer.finish("done")
    return path


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    run = read(write_run(tmp_path / "run", rounds=2, seeds=(0, 3), rounds_config=2))
    assert (run.status, run.record["format"], run.config["seed"]) == ("done", 2, 0)
    arms = [(row["round"], row["arm"], row["seed"]) for row in run.history]
    assert arms[:3] == [(0, "dense", 0), (0, "dense", 3), (1, "winning", 0)]
    assert len(arms) == 2 + 2 * 2 * 3
    last = run.history[-1]
    assert last["density"] == last["remaining"] / last["total"] == pytest.approx(0.2, abs=0.01)
    assert last["density"] + last["sparsity"] == pytest.approx(1)


def test_the_files_are_those_of_the_format(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    names = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    assert names == {
        "config.yaml",
        "run.json",
        "manifest.json",
        "history.csv",
        "layers.csv",
        "curves.csv",
        "rounds/00/dense_seed0.safetensors",
        "rounds/00/rewind_seed0.safetensors",
        "rounds/01/winning_seed0.safetensors",
        "rounds/01/random_reinit_seed0.safetensors",
        "rounds/01/random_mask_seed0.safetensors",
        "tickets/seed0.safetensors",
    }
    header = (path / "history.csv").read_text().splitlines()[0]
    assert header == (
        "round,arm,seed,density,sparsity,remaining,total,iterations,test_accuracy,test_loss,val_accuracy,val_loss,"
        "early_stop_iteration,early_stop_test_accuracy,train_seconds,examples_per_second,reaches_dense_at"
    )
    assert f"{header}\n" == HEADER
    with open(path / "layers.csv") as file:
        counts = [row for row in csv.DictReader(file) if row["arm"] == "winning"]
    assert sum(int(row["remaining"]) for row in counts) == read(path).history[1]["remaining"]


def test_a_ticket_is_portable_and_its_bytes_are_those_of_its_seed(tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name) / "tickets" / "seed0.safetensors" for name in ("a", "b"))
    assert a.read_bytes() == b.read_bytes()
    ticket = lth_cli.Ticket.load(a)
    winning = arm(imp(rounds=1)[1], "winning")
    assert masks.equal(ticket.mask, winning.job.mask)
    model = mlp()
    model.load_state_dict(ticket.state_dict())
    for name, mask in ticket.mask.items():
        weight = model.get_parameter(name)
        assert not weight[~mask].any()
        assert torch.equal(weight[mask], winning.job.start.state.params[name][mask])
    assert ticket.metadata["density"] == masks.density(ticket.mask)
    assert ticket.metadata["test_accuracy"] == winning.curve[-1].test_accuracy


def test_names_and_what_they_stand_for() -> None:
    for key in ((0, "dense", 0), (7, "größe", 3), (123, "a_seed1-b", 2**63 - 1)):
        assert names.key_of(names.state(key)) == key
    assert names.state((1, "winning", 0)) == "rounds/01/winning_seed0.safetensors"
    assert names.key_of(names.rewind(5)) == (0, "rewind", 5)
    assert names.ticket_seed(names.ticket(5)) == 5
    assert names.partial((2, "dense", 0), 0) == "partial/02_dense_seed0.safetensors"
    assert names.partial((2, "dense", 0), 3) == "partial/02_dense_seed0_and_3.safetensors"
    for other in (
        "rounds/1/dense_seed0.safetensors", "rounds/001/dense_seed0.safetensors", "rounds/01/dense_seed00.safetensors",
        "rounds/01/dense.safetensors", "rounds/01/a b_seed0.safetensors", "rounds/01/../x_seed0.safetensors",
        "rounds/01/dense_seed0.safetensors\n", "tickets/dense_seed0.safetensors", "tickets/seed00.safetensors",
    ):  # fmt: skip
        assert (names.key_of(other), names.ticket_seed(other), names.is_listed(other)) == (None, None, False)


def test_a_config_is_flat_with_all_that_it_says() -> None:
    config = {"seed": 0, "train": {"lr": 0.1, "at": [1, {}], "rates": {}, "of": {"fc": 2}}, "controls": {}}
    found = {"seed": 0, "train.lr": 0.1, "train.at": [1, {}], "train.rates": {}, "train.of.fc": 2, "controls": {}}
    assert dict(flat(config)) == found


def test_an_arm_may_be_called_by_any_letters(tmp_path: Path) -> None:
    """As in its rows, so in the manifest."""
    path = write_run(tmp_path / "run", controls={"größe": RandomMask()})
    assert {row["arm"] for row in read(path).history} == {"dense", "winning", "größe"}
    assert reopen(path).done
    assert list(damage(path, Manifest.load(path))) == []


def test_what_took_no_time_has_no_speed() -> None:
    """As a run is restored that took less than half a millisecond."""
    (one,) = imp(rounds=1, controls={})[0]
    assert history_row(replace(one, seconds=0.5, examples=80), None)["examples_per_second"] == 160.0
    assert history_row(replace(one, seconds=0.0, examples=80), None)["examples_per_second"] == 0.0


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"\xff" * 100, b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_what_is_not_a_ticket_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match="is not a ticket"):
        lth_cli.Ticket.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("run.json", None, "run.json: missing"),
        ("run.json", "{", "run.json: Expecting"),
        ("run.json", "[]", "not the record of a run"),
        ("run.json", '{"format": 99, "status": "done"}', "format 99, but this version of lth reads up to 2"),
        ("history.csv", None, "round 0 of seed 0 is missing, although the run is done"),
        ("history.csv", "round,arm\n0,dense\n", "no column"),
        ("history.csv", HEADER + "0,dense,0,1.0\n", "history.csv: "),
        ("history.csv", HEADER + "x" * 300_000, "field larger than field limit"),
        (
            "history.csv",
            f"{HEADER}0,dense,0,1,0,9,9,9,7.5,0,0,0,1,0,0,0,\n",
            "line 2: test_accuracy is 7.5",
        ),
        (
            "history.csv",
            f"{HEADER}0,dense,0,1,0,9,9,9,nan,0,0,0,1,0,0,0,\n",
            "line 2: test_accuracy is nan",
        ),
        ("run.json", '{"format": 1, "status": "running", "pid": "x"}', "pid is x"),
        ("run.json", '{"format": 1, "status": "done", "choices": []}', "choices is "),
        ("run.json", '{"format": 1, "status": "done", "choices": {"model": []}}', "choices is "),
        ("run.json", '{"format": 1, "status": "done", "seeds": 5}', "seeds is 5"),
        ("run.json", '{"format": 1, "status": "done", "seeds": ["x"]}', "seeds are not whole numbers"),
        ("run.json", '{"format": 1, "status": "done", "keep": 5}', "keep is 5"),
        ("run.json", '{"format": 1, "status": "done", "keep": [9, -1]}', "-1 is no count of the weights"),
        ("run.json", '{"format": 1, "status": "done", "keep": [9, {"fc": 0.5}]}', "{'fc': 0.5} is no count of the"),
        ("run.json", '{"format": 1, "status": "done", "keep": [true]}', "True is no count of the weights"),
        ("run.json", '{"format": 1, "status": "done", "parameters": true}', "parameters is True"),
        ("run.json", '{"format": 1, "status": "done", "test_examples": -3}', "test_examples is -3"),
        ("run.json", '{"format": 1, "status": "splendid"}', "status is splendid"),
        ("config.yaml", "a: &a [*a]", "config.yaml: an alias, which no run writes"),
        ("config.yaml", "a: 2020-01-01", "config.yaml: "),
        ("config.yaml", "a: [", "config.yaml: "),
        ("config.yaml", "1: 2", "config.yaml: not a config"),
        ("config.yaml", "!!python/object/apply:os.system ['true']", "config.yaml: could not determine a constructor"),
    ],
)
def test_a_damaged_run_is_named_with_its_file(file: str, content: str | None, words: str, tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    (path / file).unlink()
    if content is not None:
        (path / file).write_text(content)
    with pytest.raises(Damaged, match=words):
        read(path)


def test_a_run_that_lost_a_round_is_damaged(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", rounds=2)
    lines = (path / "history.csv").read_text().splitlines(keepends=True)
    (path / "history.csv").write_text("".join(line for line in lines if not line.startswith("2,")))
    with pytest.raises(Damaged, match="round 2 of seed 0 is missing, although the run is done"):
        read(path)


def test_a_folder_with_a_run_takes_no_other(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    with pytest.raises(FileExistsError, match="another run is in this folder"):
        Writer(path, "", {})


def test_a_run_whose_process_is_gone_was_killed(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run")
    record = json.loads((path / "run.json").read_text())
    for pid, expected in ((2**22 + 1, "killed"), (1, "running")):
        record.update(status="running", host=platform.node(), pid=pid)
        (path / "run.json").write_text(json.dumps(record))
        assert read(path).status == expected


def test_runs_are_found_below_a_folder_and_the_latest_is_by_name(tmp_path: Path) -> None:
    day = tmp_path / "2026-01-02"
    first = write_run(day / "09-00-00_a")
    for copy in ("09-00-00_a-2", "09-00-00_a-10"):
        shutil.copytree(first, day / copy)
    shutil.copytree(first, tmp_path / "2026-01-01" / "23-00-00_z")
    assert len(find(tmp_path)) == 4
    assert find(first) == [first]
    (day / "0²").mkdir()
    assert latest(tmp_path) == day / "09-00-00_a-10"
    assert latest(tmp_path / "nothing") is None


def test_a_writer_leaves_no_temporary_files(tmp_path: Path) -> None:
    assert not list(write_run(tmp_path / "run").rglob(f"*{TEMPORARY}"))
