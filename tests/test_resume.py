"""A run that is cut short and goes on is the run that was never cut short."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lth_cli.command.resume import check_config
from lth_cli.core.files import TEMPORARY
from lth_cli.results.compare import compare
from lth_cli.rundir.columns import FORMAT, HISTORY
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.read import Damaged, Run, read
from lth_cli.rundir.sameness import ROLES, Role
from lth_cli.rundir.write import Writer
from lth_cli.setup.conf import conf_dir
from lth_cli.setup.schema import ConfigError
from tests.command import Lth, history, only_run
from tests.formats import write_mnist
from tests.interrupted import config, cut_after, results, start
from tests.lies import believed, claim, wrong


@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
@pytest.mark.parametrize("rewind", ["init", "late", "learning_rate"])
def test_a_resumed_run_is_bit_identical(
    rewind: str, rounds: int, finished: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = (f"rewind={rewind}", "replicates=2")
    cut_after(tmp_path / "cut", rounds, monkeypatch, *changes)
    intact = reopen(tmp_path / "cut")
    assert intact.rounds == rounds
    before = history(tmp_path / "cut") if rounds else []
    start(tmp_path / "cut", *changes, resume=True)
    assert results(tmp_path / "cut") == results(finished(*changes))
    assert history(tmp_path / "cut")[: len(before)] == before  # the times of rounds that were done, too
    record = read(tmp_path / "cut").record
    assert record["status"] == "done"
    assert [entry["round"] for entry in record["resumed"]] == [rounds]


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


HOW: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda data: None,
    "flipped": lambda data: flipped(data, len(data) // 2),
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
}
DAMAGE = [
    ("rounds/01/winning_seed0.safetensors", 1),
    ("rounds/02/random_mask_seed0.safetensors", 2),
    ("rounds/00/rewind_seed0.safetensors", 0),
    ("tickets/seed0.safetensors", 4),
]


def check_made_again(run: Path, name: str, damaged: bytes | None, rounds: int) -> None:
    """Of a run whose file `name` is damaged, `rounds` rounds count; what is made again is as it was."""
    whole = results(run)
    (run / name).unlink()
    if damaged is not None:
        (run / name).write_bytes(damaged)
    kept = reopen(run)
    assert (kept.done, kept.rounds) == (False, rounds)
    start(run, resume=True)
    assert results(run) == whole
    assert reopen(run).done


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("name", "rounds"), DAMAGE)
def test_what_is_damaged_is_made_again_and_never_used(name: str, rounds: int, how: str, run: Path) -> None:
    check_made_again(run, name, HOW[how]((run / name).read_bytes()), rounds)


@pytest.mark.parametrize("name", ["history.csv", "curves.csv", "layers.csv"])
@pytest.mark.parametrize("round", [0, 2])
def test_a_damaged_table_costs_the_rounds_from_the_damaged_row_on(round: int, name: str, run: Path) -> None:
    data = (run / name).read_bytes()
    row = data.index(b"\n%d," % round) + 1
    cut, bit = data[: row + 4], flipped(data, row + 4)
    for damaged in (cut, bit):
        check_made_again(run, name, damaged, round)


TABLES = ["history.csv", "curves.csv", "layers.csv"]


@pytest.mark.parametrize("name", [*TABLES, "manifest.json"])
def test_without_a_table_or_the_manifest_no_round_counts(name: str, run: Path) -> None:
    check_made_again(run, name, None, 0)


def refused(run: Path, lth: Lth) -> str:
    """What is said where a run is not begun anew; nothing of it is changed, and without the file it is."""
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and file.name != ".lock"}
    done = lth("run", f"resume={run}", "safe=true")
    assert (done.returncode, done.stdout) == (2, "")
    file, _, what = done.stderr.removeprefix("lth: ").partition(": ")
    assert done.stderr.endswith("put it back, or remove it to begin anew\n")
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and file.name != ".lock"} == before
    Path(file).unlink()
    assert reopen(run).rounds == 0
    return f"{Path(file).name}: {what}"


@pytest.mark.parametrize("damaged", [b"", b"nonsense"])
@pytest.mark.parametrize("name", [*TABLES, "manifest.json"])
def test_a_damaged_table_or_manifest_is_refused_before_all_rounds_are_lost(
    damaged: bytes, name: str, run: Path, lth: Lth
) -> None:
    (run / name).write_bytes(damaged)
    assert refused(run, lth).startswith(f"{name}: ")


@pytest.mark.parametrize("damage", ["{", "", "[]", '{"format": 1, "status": "done", "keep": [1.5]}'])
def test_a_damaged_record_is_refused_before_all_rounds_are_lost(damage: str, run: Path, lth: Lth) -> None:
    (run / ".hydra").mkdir()
    words = shlex.split(json.loads((run / "run.json").read_text())["command"])[2:]
    (run / ".hydra" / "overrides.yaml").write_text(yaml.dump(words))
    (run / "run.json").write_text(damage)
    assert refused(run, lth).startswith("run.json: ")


def test_a_record_of_other_data_is_refused(run: Path, lth: Lth) -> None:
    claim("data_sha256", "0" * 64)(run)
    assert refused(run, lth).startswith("run.json: data_sha256: not what was written\n")


@pytest.mark.parametrize("name", TABLES)
def test_other_line_ends_and_a_lost_header_are_refused(name: str, run: Path, lth: Lth) -> None:
    """As of git's autocrlf, or of an editor."""
    whole = (run / name).read_bytes()
    for damaged in (whole.replace(b"\n", b"\r\n"), whole.partition(b"\n")[2], b"\xef\xbb\xbf" + whole):
        (run / name).write_bytes(damaged)
        assert "rounds" not in refused(run, lth).partition("\n")[0]
        (run / name).write_bytes(whole)
    assert reopen(run).done


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["files"].update({"profile/trace.json": "0" * 64}),
        lambda manifest: manifest["rows"]["2"].update({"more.csv": "0" * 64}),
    ],
)
def test_a_manifest_with_a_stranger_in_it_is_refused(
    change: Callable[[dict[str, Any]], None], run: Path, lth: Lth
) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    change(manifest)
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert refused(run, lth).startswith("manifest.json: ")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("notes", "x"), ("ended", 1), ("status", "paused"), ("resumed", [1]), ("pid", 0), ("code", [])),
        *(("seeds", ["x"]), ("choices", {"model": 1}), ("parameters", -1), ("started", 1)),
    ],
)
def test_a_claim_that_decides_nothing_costs_no_round(key: str, value: object, run: Path, lth: Lth) -> None:
    whole, before = results(run), {file: file.stat().st_mtime_ns for file in run.glob("rounds/*/*")}
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, key: value}))
    done = lth("run", f"resume={run}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"run.json: {key}")
    assert ": left out" in done.stdout.splitlines()[0]
    assert "going on with round 4" in done.stdout
    assert {file: file.stat().st_mtime_ns for file in run.glob("rounds/*/*")} == before
    after = results(run)
    assert [name for name in whole if whole[name] != after[name]] in ([], ["tickets/seed0.safetensors"])  # its config
    assert reopen(run).done


def test_without_its_count_of_rounds_a_run_still_has_its_config(run: Path, lth: Lth) -> None:
    record = json.loads((run / "run.json").read_text())
    del record["keep"]
    (run / "run.json").write_text(json.dumps(record))
    done = lth("run", f"resume={run}", "train.lr=0.5")
    assert (done.returncode, done.stdout) == (2, "")
    assert "train.lr (was " in done.stderr


@pytest.mark.parametrize(("name", "rounds"), DAMAGE)
def test_a_damaged_hash_costs_the_rounds_from_its_files_on(name: str, rounds: int, run: Path) -> None:
    text = (run / "manifest.json").read_text()
    digest = json.loads(text)["files"][name]
    check_made_again(run, "manifest.json", text.replace(digest, digest[::-1]).encode(), rounds)


def test_a_row_of_another_seed_is_a_damaged_row(run: Path) -> None:
    whole = results(run)
    for table in ("history.csv", "curves.csv", "layers.csv"):
        text = (run / table).read_text()
        (run / table).write_text(text.replace("\n2,winning,0,", "\n2,winning,1,", 1))
    assert reopen(run).rounds == 2
    start(run, resume=True)
    assert results(run) == whole


THEIRS = (
    ".history.csv.123.tmp",
    ".mine.tmp",
    f".mine.123{TEMPORARY}",
    f".history.csv{TEMPORARY}",
    f".history.csv.x{TEMPORARY}",
    f"history.csv.123{TEMPORARY}",
    f"rounds/.history.csv.123{TEMPORARY}",
    f"mine/.history.csv.123{TEMPORARY}",
    "partial/mine.safetensors",
    f"partial/.mine.safetensors.123{TEMPORARY}",
)
"""Files of somebody else in a run directory, some of which look like half a file of ours."""


def test_a_round_that_the_manifest_does_not_list_does_not_count(run: Path) -> None:
    """As after a kill between the tables and the manifest, which is written last."""
    whole = results(run)
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["rows"]["3"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert reopen(run).rounds == 3
    start(run, resume=True)
    assert results(run) == whole


def test_half_a_file_of_ours_is_removed_and_nothing_of_anybody_else(run: Path) -> None:
    ours = [run / f"{place}.123{TEMPORARY}" for place in (".history.csv", "rounds/03/.dense_seed0.safetensors")]
    theirs = [run / name for name in THEIRS]
    for file in (*ours, *theirs):
        file.parent.mkdir(exist_ok=True)
        file.write_text("half a file")
    (run / "tickets" / "seed0.safetensors").unlink()
    start(run, resume=True)
    assert not any(file.exists() for file in ours)
    assert all(file.exists() for file in theirs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("train.lr=0.1", r"train.lr \(was 0.0012, not 0.1\): a run goes on with the config"),
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


@pytest.mark.parametrize(
    ("schedule", "target"),
    [((), 1 - 0.1**1.5), (("sparsity=linear", "sparsity=0.4"), 0.6000000000000001), (("sparsity=linear",), None)],
)
def test_the_target_of_more_rounds_is_said_and_works(
    schedule: tuple[str, ...], target: float | None, lth: Lth, tmp_path: Path
) -> None:
    assert lth("run", "rounds=2", *schedule, *OPTIONS).returncode == 0
    run = only_run(tmp_path)
    before = history(run)
    refused = lth("run", f"resume={run}", "rounds=3")
    assert refused.returncode == 2
    found = re.search(r"stay as they are: (sparsity\.target=(.*))\n", refused.stderr)
    if target is None:
        assert found is None
        return
    assert found is not None
    assert float(found[2]) == target
    grown = lth("run", f"resume={run}", "rounds=3", found[1])
    assert grown.returncode == 0, grown.stderr
    rows = [row for row in history(run) if int(row["round"]) <= 2]
    assert rows == before
    assert len(json.loads((run / "run.json").read_text())["keep"]) == 4
    assert lth("verify", str(run)).returncode == 0


@pytest.mark.parametrize(("key", "role"), ROLES.items())
def test_what_makes_two_configs_the_same_experiment(key: str, role: Role, tmp_path: Path) -> None:
    """Every key of the list is one of the configs'; and it does in `compare` and in resume what its role says."""
    group, _, name = key.partition(".")
    options = [yaml.safe_load(file.read_text()) for file in (conf_dir() / group).glob("*.yaml")]
    assert any(name in option for option in options) if name else key in config()

    def text(value: object) -> str:
        return yaml.safe_dump({"model": {"hidden": [8]}, **({group: {name: value}} if name else {key: value})})

    def run(value: int) -> Run:
        rows = [dict.fromkeys((column.name for column in HISTORY), 1) | {"round": 0, "arm": "dense", "seed": value}]
        return Run(tmp_path, "done", {}, yaml.safe_load(text(value)), rows)

    experiments = compare([run(1), run(2)])
    assert len(experiments) == (1 if role in (Role.REPLICATE, Role.MANNER) else 2)
    Writer(tmp_path, text(1), {"keep": [10]})
    if role is Role.REPLICATE:
        with pytest.raises(ConfigError, match=key):
            check_config(tmp_path, text(2))
    else:
        assert check_config(tmp_path, text(2)) == (role is Role.LENGTH)


def test_a_training_that_took_no_time_is_restored(tmp_path: Path) -> None:
    """On a fast machine, a training of a few steps is one of 0.000 seconds."""
    start(tmp_path, "rounds=1", "controls=[]")
    whole = results(tmp_path)
    head, *rows = csv.reader((tmp_path / "history.csv").read_text().splitlines())
    at = head.index("train_seconds")
    timed = [head, *([*row[:at], "0.0", *row[at + 1 :]] for row in rows)]
    (tmp_path / "history.csv").write_text("".join(f"{','.join(row)}\n" for row in timed))
    believed(tmp_path)
    (tmp_path / "tickets" / "seed0.safetensors").unlink()
    start(tmp_path, "rounds=1", "controls=[]", resume=True)
    assert results(tmp_path) == whole


def ours(run: Path) -> list[Path]:
    """The files of a run, without those that Hydra writes anew whenever it begins."""
    return [file for file in sorted(run.rglob("*")) if file.is_file() and ".hydra" not in file.parts]


def test_data_that_changed_is_refused(lth: Lth, tmp_path: Path) -> None:
    """By as little as one pixel of one image."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    write_mnist(raw, packed=False)
    data = ("dataset=mnist", "dataset.root=data", "dataset.val_size=8", "train.batch_size=8", "model.hidden=[8]")
    assert lth("run", *data, "rounds=1", "train.iterations=4it", "controls=[]").returncode == 0
    run = only_run(tmp_path)
    (run / "rounds" / "01" / "winning_seed0.safetensors").unlink()
    before = {file: file.read_bytes() for file in ours(run)}
    images = raw / "train-images-idx3-ubyte"
    images.write_bytes(flipped(images.read_bytes(), 5000))
    refused = lth("run", f"resume={run}")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "lth: dataset: not the data that this run was started with\n"
    assert {file: file.read_bytes() for file in ours(run)} == before


def test_a_run_does_not_go_on_with_what_cannot_be_recorded(run: Path, lth: Lth) -> None:
    refused = lth("run", f"resume={run}", "+model.z={1: a, b: c}")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "lth: model.z: its keys are of several kinds, 1, b: what is recorded needs them of one\n"


OPTIONS = ("train.iterations=10it", "model.hidden=[16]")


def test_where_the_rounds_that_stay_come_from_is_kept(finished: Callable[..., Path], tmp_path: Path) -> None:
    """They were computed at another commit, with other code of one's own, elsewhere."""
    run = Path(shutil.copytree(finished(), tmp_path / "run"))
    now = json.loads((run / "run.json").read_text())
    was = {"git": {"commit": "a" * 40, "dirty": False}, "code": {"mine.py": "b" * 64}, "host": "elsewhere"}
    was |= {"versions": {**now["versions"], "torch": "1.0"}, "threads": now["threads"] + 1}
    for key, value in was.items():
        claim(key, value)(run)
    claim("resumed", [{"at": "2026-01-01T00:00:00+00:00", "round": 1}])(run)  # by an older version
    believed(run)
    for round, expected in (("03", was), ("03", {})):
        shutil.rmtree(run / "rounds" / round)
        start(run, resume=True)
        record = json.loads((run / "run.json").read_text())
        assert (record["resumed"][-1]["round"], record["resumed"][-1]["was"]) == (3, expected)
        assert {key: record[key] for key in was} == {key: now[key] for key in was}
    assert wrong(run) == {}
    assert [row.arm for row in compare([read(run)])][:2] == ["dense", "winning"]
    claim("resumed", [{"at": "now", "round": 1, "was": "a"}])(run)
    with pytest.raises(Damaged, match="resumed holds"):
        read(run)


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
    assert "train.lr (was 0.0012, not 0.5): a run goes on with the config" in refused.stderr
    for nowhere in ("nowhere", str(tmp_path), ""):
        missing = lth("run", f"resume={nowhere}")
        assert (missing.returncode, len(missing.stderr.splitlines())) == (2, 1)
        assert f"resume={nowhere}" in missing.stderr


def test_a_resumed_sweep_skips_what_is_done_and_makes_what_is_not(lth: Lth, lth_process: Lth, tmp_path: Path) -> None:
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
    assert f"{sweep}: 3 jobs expected, 3 found.\n" in lth("compare", str(sweep)).stdout
    again = lth_process("run", f"resume={sweep}", "hydra/launcher=joblib")
    assert (again.returncode, again.stderr) == (0, "")
    assert "3 done in" in again.stdout
    saved = (sweep / "sweep.json").read_bytes()
    for change, words in (
        ("train.lr=0.5", "train.lr (was 0.0012, not 0.5)"),
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


def test_without_its_record_a_run_begins_anew_with_its_config(lth: Lth, tmp_path: Path) -> None:
    """run.json says of which data the rounds are: without it, none is believed."""
    assert lth("run", "rounds=1", *OPTIONS).returncode == 0
    run = only_run(tmp_path)
    whole = results(run)
    record(run / "run.json", None)
    refused = lth("run", f"resume={run}", "train.lr=0.5")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "train.lr (was 0.0012, not 0.5)" in refused.stderr
    resumed = lth("run", f"resume={run}")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert resumed.stdout.startswith("run.json: ")
    assert "going on with round 0" in resumed.stdout
    assert results(run) == whole
    record(run / "run.json", '{"format": 99, "status": "done"}')
    newer = lth("run", f"resume={run}")
    assert (newer.returncode, newer.stdout) == (2, "")
    assert newer.stderr == f"lth: {run}/run.json: format 99, but this version of lth reads up to {FORMAT}\n"


def test_without_its_record_a_sweep_goes_on_with_hydras(lth: Lth, tmp_path: Path) -> None:
    assert lth("run", "-m", "seed=0,1", "rounds=1", "controls=[]", *OPTIONS).returncode == 0
    sweep = only_run(tmp_path)
    whole = {seed: results(sweep / f"seed={seed}") for seed in (0, 1)}
    record(sweep / "sweep.json", "{")
    record(sweep / "seed=1" / "run.json", None)
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


def test_a_run_that_is_profiled_goes_on(run: Path) -> None:
    """Also where nothing is left to train."""
    for name in ("tickets/seed0.safetensors", "rounds/03/winning_seed0.safetensors"):
        (run / name).unlink()
        start(run, "profile=true", resume=True)
        assert set(json.loads((run / "profile" / "times.json").read_text())) >= {"files", "pruning and checks"}
        assert reopen(run).done


def test_what_a_kill_leaves_of_a_round_that_is_written_is_removed(run: Path) -> None:
    (run / "tickets" / "seed0.safetensors").unlink()
    (run / "partial").mkdir()
    start(run, resume=True)
    assert not (run / "partial").exists()
