"""A run that is cut short and goes on is the run that was never cut short."""

import json
import shlex
from pathlib import Path

import pytest

from lth_cli.rundir.kept import reopen
from lth_cli.rundir.read import read
from lth_cli.setup.schema import ConfigError
from tests.command import Lth, history, only_run
from tests.interrupted import cut_after, results, start


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
@pytest.mark.parametrize("rewind", ["init", "late", "learning_rate"])
def test_a_resumed_run_is_bit_identical(
    rewind: str, rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = (f"rewind={rewind}", "replicates=2")
    start(tmp_path / "whole", *changes)
    cut_after(tmp_path / "cut", rounds, monkeypatch, *changes)
    kept = reopen(tmp_path / "cut")
    assert kept.rounds == rounds
    before = history(tmp_path / "cut") if rounds else []
    start(tmp_path / "cut", *changes, resume=True)
    assert results(tmp_path / "cut") == results(tmp_path / "whole")
    assert history(tmp_path / "cut")[: len(before)] == before  # the times of rounds that were done, too
    record = read(tmp_path / "cut").record
    assert record["status"] == "done"
    assert [entry["round"] for entry in record["resumed"]] == [rounds]


DAMAGE = [
    ("rounds/01/winning_seed0.safetensors", 1),
    ("rounds/02/random_mask_seed0.safetensors", 2),
    ("rounds/00/rewind_seed0.safetensors", 0),
    ("history.csv", 0),
    ("curves.csv", 0),
    ("layers.csv", 0),
    ("manifest.json", 0),
    ("tickets/seed0.safetensors", 4),
]


@pytest.mark.parametrize("how", ["missing", "flipped", "cut", "empty"])
@pytest.mark.parametrize(("name", "rounds"), DAMAGE)
def test_what_is_damaged_is_made_again_and_never_used(name: str, rounds: int, how: str, tmp_path: Path) -> None:
    start(tmp_path)
    whole, path = results(tmp_path), tmp_path / name
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "flipped":
        position = data.index(b"\n0,dense") + 10 if name.endswith(".csv") else len(data) // 2
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    else:
        path.write_bytes(data[: len(data) // 2 if how == "cut" else 0])
    kept = reopen(tmp_path)
    assert not kept.done
    assert kept.rounds == rounds or how == "cut" or name == "manifest.json"
    start(tmp_path, resume=True)
    assert results(tmp_path) == whole
    assert reopen(tmp_path).done


def test_a_damaged_row_costs_only_the_rounds_from_its_own_on(tmp_path: Path) -> None:
    start(tmp_path)
    whole = results(tmp_path)
    for table in ("history.csv", "curves.csv", "layers.csv"):
        text = (tmp_path / table).read_text()
        (tmp_path / table).write_text(text.replace("\n2,winning,0,", "\n2,winning,1,", 1))
    assert reopen(tmp_path).rounds == 2
    start(tmp_path, resume=True)
    assert results(tmp_path) == whole


def test_a_round_that_the_manifest_does_not_list_does_not_count(tmp_path: Path) -> None:
    """As after a kill between the tables and the manifest, which is written last."""
    start(tmp_path)
    whole = results(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    del manifest["rows"]["3"]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "rounds" / ".x.123.tmp").write_text("half a file")
    assert reopen(tmp_path).rounds == 3
    start(tmp_path, resume=True)
    assert results(tmp_path) == whole
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("train.lr=0.1", r"train.lr \(was 0.0005, not 0.1\): a run goes on with the config"),
        ("model.hidden=[9]", r"model.hidden \(was \[8\], not \[9\]\)"),
        ("seed=1", "seed "),
        ("sparsity=linear", r"rounds, sparsity: round 1 is done and keeps \d+ weights; here \d+"),
        ("rounds=6", "rounds, sparsity: round 1 is done and keeps"),
        ("rounds=1", "rounds, sparsity: round 1 is done and keeps"),
        ("dataset.val_size=30", "dataset.val_size "),
        ("controls=[]", r"controls\.random_mask\._target_ "),
    ],
)
def test_a_changed_config_is_refused_with_the_keys_that_differ(
    change: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_after(tmp_path, 3, monkeypatch)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(ConfigError, match=words):
        start(tmp_path, change, resume=True)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_more_rounds_go_on_where_the_schedule_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    target = "sparsity.target=0.75"
    start(tmp_path / "three", "rounds=1", "sparsity.target=0.5", "controls_at=last")
    start(tmp_path / "three", "rounds=2", target, "controls_at=last", "device=cpu", resume=True)
    start(tmp_path / "six", "rounds=2", target, "controls_at=last", "device=cpu")
    three, six = results(tmp_path / "three"), results(tmp_path / "six")
    for name in ("rounds/02/winning_seed0.safetensors", "rounds/02/random_mask_seed0.safetensors"):
        assert three[name] == six[name]
    assert three["tickets/seed0.safetensors"] == six["tickets/seed0.safetensors"]
    assert read(tmp_path / "three").record["keep"] == read(tmp_path / "six").record["keep"]


def test_data_that_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_after(tmp_path, 2, monkeypatch)
    monkeypatch.setattr("lth_cli.command.run.fingerprint", lambda data: ("other", {}))
    with pytest.raises(ConfigError, match="dataset: not the data that this run was started with"):
        start(tmp_path, resume=True)


OPTIONS = ("train.iterations=2ep", "model.hidden=[16]")


def test_resume_on_the_command_line(lth: Lth, tmp_path: Path) -> None:
    assert lth("run", "rounds=2", *OPTIONS).returncode == 0
    run = only_run(tmp_path)
    whole = results(run)
    done = lth("run", f"resume={run}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "is done, and all of it is as it was written" in done.stdout
    (run / "rounds" / "01" / "winning_seed0.safetensors").write_bytes(b"")
    resumed = lth("run", f"resume={run}/", "device=cpu")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert resumed.stdout.splitlines()[:2] == [
        "rounds/01/winning_seed0.safetensors: not the bytes that were written",
        "going on with round 1",
    ]
    assert "round  1/2" in resumed.stdout
    assert "round  0/2" not in resumed.stdout
    after = results(run)
    # `device` changed, and with it the config that the ticket carries.
    assert [name for name in whole if whole[name] != after[name]] == ["tickets/seed0.safetensors"]
    record = json.loads((run / "run.json").read_text())
    assert record["command"] == shlex.join(["lth", "run", "rounds=2", *OPTIONS, "device=cpu"])
    refused = lth("run", f"resume={run}", "train.lr=0.5")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "train.lr (was 0.0005, not 0.5): a run goes on with the config" in refused.stderr
    for wrong in ("nowhere", str(tmp_path), ""):
        missing = lth("run", f"resume={wrong}")
        assert (missing.returncode, len(missing.stderr.splitlines())) == (2, 1)
        assert f"resume={wrong}" in missing.stderr


def test_a_resumed_sweep_skips_what_is_done_and_makes_what_is_not(lth: Lth, tmp_path: Path) -> None:
    assert lth("run", "-m", "seed=0,1", "rounds=1", "controls=[]", *OPTIONS).returncode == 0
    sweep = only_run(tmp_path)
    whole = {seed: results(sweep / f"seed={seed}") for seed in (0, 1)}
    untouched = (sweep / "seed=0" / "run.json").read_bytes()
    (sweep / "seed=1" / "rounds" / "01" / "winning_seed1.safetensors").unlink()
    resumed = lth("run", f"resume={sweep}", "seed=0,1,2")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert "3 done in" in resumed.stdout
    assert "seed=0 is done" in resumed.stdout
    assert {seed: results(sweep / f"seed={seed}") for seed in (0, 1)} == whole
    assert (sweep / "seed=0" / "run.json").read_bytes() == untouched
    assert read(sweep / "seed=2").status == "done"
    again = lth("run", f"resume={sweep}", "hydra/launcher=joblib")
    assert (again.returncode, again.stderr) == (0, "")
    assert "3 done in" in again.stdout
    saved = (sweep / "sweep.json").read_bytes()
    for change, words in (
        ("train.lr=0.5", "train.lr (was 0.0005, not 0.5)"),
        ("rounds=2", "round 1 is done and keeps"),
    ):
        refused = lth("run", f"resume={sweep}", change)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert words in refused.stderr
    assert (sweep / "sweep.json").read_bytes() == saved
    assert {seed: results(sweep / f"seed={seed}") for seed in (0, 1)} == whole


def test_a_sweep_grows_as_a_whole(lth: Lth, tmp_path: Path) -> None:
    """Where the schedule leaves the rounds that are done as they are; its longer runs are those of a longer sweep."""
    options = ("-m", "seed=0,1", "sparsity=fixed_rate", "controls=[]", *OPTIONS)
    for folder, rounds in (("short", 1), ("long", 2)):
        (tmp_path / folder).mkdir()
        assert lth("run", *options, f"rounds={rounds}", cwd=tmp_path / folder).returncode == 0
    short, long = only_run(tmp_path / "short"), only_run(tmp_path / "long")
    before = history(short / "seed=0")
    grown = lth("run", f"resume={short}", "rounds=2")
    assert (grown.returncode, grown.stderr) == (0, "")
    assert "2 done in" in grown.stdout
    assert history(short / "seed=0")[: len(before)] == before
    assert [results(short / f"seed={seed}") for seed in (0, 1)] == [results(long / f"seed={seed}") for seed in (0, 1)]
    assert "rounds=2" in shlex.split(json.loads((short / "sweep.json").read_text())["command"])


@pytest.mark.parametrize("damage", ["{", "", "[]", None])
def test_without_its_record_a_run_begins_anew_with_its_config(damage: str | None, lth: Lth, tmp_path: Path) -> None:
    """run.json says of which data the rounds are: without it, none is believed."""
    assert lth("run", "rounds=1", *OPTIONS).returncode == 0
    run = only_run(tmp_path)
    whole = results(run)
    record(run / "run.json", damage)
    refused = lth("run", f"resume={run}", "train.lr=0.5")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "train.lr (was 0.0005, not 0.5)" in refused.stderr
    resumed = lth("run", f"resume={run}")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert resumed.stdout.startswith("run.json: ")
    assert "going on with round 0" in resumed.stdout
    assert results(run) == whole
    record(run / "run.json", '{"format": 99, "status": "done"}')
    newer = lth("run", f"resume={run}")
    assert (newer.returncode, newer.stdout) == (2, "")
    assert newer.stderr == f"lth: {run}/run.json: format 99, but this version of lth reads up to 1\n"


def test_without_its_record_a_sweep_goes_on_with_hydras(lth: Lth, tmp_path: Path) -> None:
    assert lth("run", "-m", "seed=0,1", "rounds=1", "controls=[]", *OPTIONS).returncode == 0
    sweep = only_run(tmp_path)
    whole = {seed: results(sweep / f"seed={seed}") for seed in (0, 1)}
    record(sweep / "sweep.json", "{")
    record(sweep / "seed=1" / "run.json", "{")
    resumed = lth("run", f"resume={sweep}")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert "seed=0 is done" in resumed.stdout
    assert "seed=1: run.json: " in resumed.stdout
    assert {seed: results(sweep / f"seed={seed}") for seed in (0, 1)} == whole
    for name in ("sweep.json", "multirun.yaml"):
        record(sweep / name, "{")
    lost = lth("run", f"resume={sweep}")
    assert (lost.returncode, lost.stdout) == (2, "")
    assert lost.stderr.startswith(f"lth: {sweep}/sweep.json: ")


def record(file: Path, text: str | None) -> None:
    """Replace a file, or remove it."""
    file.unlink()
    if text is not None:
        file.write_text(text)


def test_a_run_that_is_profiled_goes_on(tmp_path: Path) -> None:
    """Also where nothing is left to train."""
    start(tmp_path)
    for name in ("tickets/seed0.safetensors", "rounds/03/winning_seed0.safetensors"):
        (tmp_path / name).unlink()
        start(tmp_path, "profile=true", resume=True)
        assert set(json.loads((tmp_path / "profile" / "times.json").read_text())) >= {"files", "pruning and checks"}
        assert reopen(tmp_path).done


def test_what_a_kill_leaves_of_a_round_that_is_written_is_removed(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "tickets" / "seed0.safetensors").unlink()
    (tmp_path / "partial").mkdir()
    start(tmp_path, resume=True)
    assert not (tmp_path / "partial").exists()
