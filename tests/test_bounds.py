"""A short file of somebody else stands for no more memory and time than a long one of our own."""

import gzip
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, ItemsView
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import yaml

import lth_cli
from lth_cli.command.overrides import job_name, jobs
from lth_cli.core.arms import MOST, drawn_by
from lth_cli.core.files import read
from lth_cli.core.state import Mask, State
from lth_cli.core.tensors import parse
from lth_cli.core.ticket import Ticket
from lth_cli.datasets import vision
from lth_cli.datasets.vision import read_idx
from lth_cli.pictures import canvas
from lth_cli.report import collected, comparison
from lth_cli.report.collected import collect
from lth_cli.results import experiments
from lth_cli.results.checks import claims, files
from lth_cli.results.checks.arms import arms
from lth_cli.results.checks.verify import verify
from lth_cli.results.compare import compare, rows_of
from lth_cli.results.experiment import every, gathered
from lth_cli.results.rivals import beaten
from lth_cli.rundir.config import parse_config, read_config
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.glance import glance
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.read import Run
from lth_cli.rundir.read import read as read_run
from lth_cli.rundir.record import _OF_RESULTS
from lth_cli.rundir.restore import read_state
from lth_cli.setup.schema import ConfigError
from tests import records
from tests.command import Lth
from tests.lies import believed, wrong


@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="a file without end that says it is empty")
def test_a_file_that_says_it_is_empty_is_not_read_on(tmp_path: Path, limited: Lth) -> None:
    assert read(Path("/proc/self/pagemap"), 2**20) == b""
    done = limited("run", "ticket=/proc/self/pagemap", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "/proc/self/pagemap is not a ticket" in done.stderr
    assert "out of memory" not in done.stderr


def nothing_of(*shape: int) -> bytes:
    """A safetensors file of one tensor without a value."""
    header = json.dumps({"mask/x": {"dtype": "BOOL", "shape": shape, "data_offsets": [0, 0]}}).encode()
    return struct.pack("<Q", len(header)) + header


@pytest.mark.parametrize("shape", [(2_000_000_000, 0), (0, 2_000_000_000), (2**11, 2**11, 0, 1)])
def test_a_shape_with_a_zero_has_no_other_sizes_to_speak_of(shape: tuple[int, ...], run: Path) -> None:
    (run / "rounds" / "01" / "winning_seed0.safetensors").write_bytes(nothing_of(*shape))
    with pytest.raises(Damaged, match=r"mask/x is of shape .*, without a value"):
        read_state(run, "rounds/01/winning_seed0.safetensors")


def test_a_tensor_may_have_no_value() -> None:
    """As an empty buffer of one's own network."""
    tensors = {"buffers/none": torch.empty(0), "params/none": torch.empty(0, 784), "params/one": torch.tensor(1.0)}
    _, back = parse(safetensors.torch.save(tensors))
    assert {name: t.shape for name, t in back.items()} == {name: t.shape for name, t in tensors.items()}


def test_long_keys_around_many_values_are_refused(run: Path, lth: Lth) -> None:
    """Each value is known by all keys that it is in: here by 1.5 GB."""
    (run / "config.yaml").write_text(f"? {'k' * 100_000}\n: {{{', '.join(f'a{i}: 1' for i in range(15_000))}}}\n")
    words = "keys of 1,500,108,890 characters, each with those it is in; at most 1,048,576 are read"
    with pytest.raises(Damaged, match=words):
        read_config(run)
    for line in (("compare", str(run)), ("verify", str(run))):
        done = lth(*line)
        assert words in done.stdout + done.stderr
    assert lth("run", f"resume={run}").returncode == 2


def test_a_long_list_and_a_long_key_are_read() -> None:
    text = f"classes: [{', '.join(f'c{i}' for i in range(30_000))}]\n{'k' * 1000}: {{a: {{b: 1}}}}\n"
    assert len(parse_config(text)["classes"]) == 30_000


def test_a_run_with_such_keys_does_not_begin(lth: Lth, tmp_path: Path) -> None:
    """Nothing would read what it writes."""
    (tmp_path / "own" / "model").mkdir(parents=True)
    values = ", ".join(f"a{i}: 1" for i in range(2000))
    (tmp_path / "own" / "model" / "mine.yaml").write_text(f"_target_: x.y\n{'k' * 1000}: {{{values}}}\n")
    done = lth("run", "--config-dir=own", "model=mine")
    assert (done.returncode, done.stdout) == (2, "")
    assert "at most 1,048,576 are read" in done.stderr
    assert not (tmp_path / "outputs").exists()


class Key(str):
    """A key that counts how often it is looked up."""

    looked_up = 0

    def __hash__(self) -> int:
        Key.looked_up += 1
        return super().__hash__()


def test_runs_are_named_by_what_they_say_and_not_by_what_all_others_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred runs are not each asked for the keys of all."""
    monkeypatch.setattr(experiments, "flat", lambda config: ((Key(key), value) for key, value in config.items()))
    record = [{"choices": {Key(f"g{i}"): "x"}} for i in range(200)]
    runs = [Run(Path(), "done", record[i], {f"k{i}": i, "seed": 0}, []) for i in range(200)]
    assert experiments.experiments(runs)[7] == ("g7=x k7=7", {"g7": "x", "k7": "7"})
    assert Key.looked_up < 200 * 60


def test_a_picture_has_no_more_curves_than_are_drawn_in_seconds(
    run: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, run.parent / "other")
    with open(run.parent / "other" / "config.yaml", "a") as file:
        file.write("x: 1\n")
    believed(run.parent / "other")
    monkeypatch.setattr(canvas, "MOST_CURVES", 5)
    done = lth("compare", "run", "other", "--plot=x.png")
    assert "lth: x.png: the first 1 of 2 experiments are drawn" in done.stderr


def test_a_table_for_the_eye_has_no_more_rows_than_are_drawn_in_seconds(
    run: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "_MOST_ROWS", 2)
    drawn = lth("compare", "run").stdout
    assert "and 2 more rows, which --format=csv and json have" in drawn
    assert len(lth("compare", "run", "--format=csv").stdout.splitlines()) == 1 + 4


def long_record(run: Path) -> None:
    """Let run.json say megabytes, in what it is read for and in what it is not."""
    record = json.loads((run / "run.json").read_text())
    many = {f"layer{i}": {"kind": "linear", "weights": i} for i in range(10_000)}
    more = {"versions": many, "resumed": [{"at": "2026", "round": many}] * 10, "error": "x" * 2**20, "host": many}
    record["layers"].update({name: {"kind": "x" * 100} for name in many})
    (run / "run.json").write_text(json.dumps({**record, **more, "keep": record["keep"]}))
    believed(run)


@pytest.mark.parametrize(("look", "most"), [(glance, 2**16), (lambda path: collect([path]), 2**21)])
def test_of_a_run_json_of_megabytes_little_is_kept(look: Callable[[Path], object], most: int, run: Path) -> None:
    """25 names of one file took six gigabytes."""
    long_record(run)
    assert (run / "run.json").stat().st_size > 2**22
    look(run)  # what is imported and compiled is not of the run
    tracemalloc.start()
    kept = look(run)
    took = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept
    assert took < most


def test_a_billion_draws_are_not_named() -> None:
    assert len(drawn_by({"controls": {"random_mask": {"draws": 10**9}, "other": {}}})) == MOST + 1


def test_what_results_and_pictures_ask_of_a_record_is_kept() -> None:
    package = Path(lth_cli.__file__).parent
    texts = [file.read_text() for room in ("results", "pictures") for file in (package / room).glob("*.py")]
    asked = {key for text in texts for key in re.findall(r'record(?:\.get\(|\[)"(\w+)"', text)}
    assert {"started", "layers", "format"} <= asked <= set(_OF_RESULTS)


def test_runs_that_would_fill_the_memory_are_left_out_and_named(
    run: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, run.parent / "other")
    (one,), _ = collect([run])
    monkeypatch.setattr(collected, "_MOST", collected._size(one) * 3 // 2)
    done = lth("compare", "run", "other")
    assert done.returncode == 0
    assert done.stderr == "lth: left out: other: too large beside 1 others; name fewer at once\n"


def test_a_run_has_a_hundred_arms_at_most(lth: Lth) -> None:
    """Of more, nothing would read what it writes."""
    done = lth("run", "controls=[]", *(f"+controls.x{i}={{_target_:lth_cli.controls.random_mask}}" for i in range(99)))
    assert (done.returncode, done.stdout) == (2, "")
    assert "controls=[… 99 …]: at most 97 of them" in done.stderr


@pytest.mark.parametrize("many", [True, False])
def test_rates_without_end_are_not_computed(many: bool, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a pattern, with which the name of every layer is compared."""
    monkeypatch.setattr(claims, "_MOST_OF_NAMES", 10_000)
    config = read_config(run)
    config["pruner"]["rates"] = {"fc*": 1.0, **({f"{i}": 1.0 for i in range(2_000)} if many else {})}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    believed(run)
    found = next(check for check in verify(run) if check.name == "claims")
    assert any("too many rounds, layers and rates" in line for line in found.not_known) == many


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_a_sparse_idx_file_is_not_read(name: str, tmp_path: Path) -> None:
    """2 GiB without a block on the disk."""
    (tmp_path / name).write_bytes(b"\x00\x00\x08\x01" + struct.pack(">I", 2**31))
    os.truncate(tmp_path / name, 8 + 2**31)
    with pytest.raises(OSError, match=r"2,147,483,656 bytes; at most 134,217,728 are read"):
        read_idx(tmp_path / name)


def test_a_gzip_file_of_data_unpacks_to_no_more_than_data_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision, "_MOST", 1000)
    (tmp_path / "images.gz").write_bytes(gzip.compress(bytes(100_000)))
    with pytest.raises(ValueError, match=r"images.gz is damaged: it unpacks to more than 1,000 bytes"):
        read_idx(tmp_path / "images.gz")


@pytest.mark.parametrize(("workers", "refused"), [("999999", True), ("1000", True), ("2", False), ("-1", False)])
def test_a_record_asks_for_no_army_of_processes(workers: str, refused: bool, run: Path, lth: Lth) -> None:
    record = json.loads((run / "run.json").read_text())
    word = f"hydra.launcher.n_jobs={workers}"
    record["command"] = f"lth run hydra/launcher=joblib {word} rounds=1"
    (run / "run.json").write_text(json.dumps(record))
    done = lth("run", f"resume={run}", "safe=true")
    assert (done.returncode, done.stdout) == (2, "")
    assert (done.stderr == f"lth: {word} is recorded there; type it again if it is yours\n") == refused


@pytest.mark.parametrize("fits", [True, False])
def test_a_state_is_read_once_by_all_checks(fits: bool, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all of them fit into memory; else every check reads them for itself."""
    if not fits:
        monkeypatch.setattr(files, "_MOST_KEPT", 0)
    asked = Counter[str]()

    def counted(root: Path, name: str) -> tuple[Mask, State]:
        asked[name] += 1
        return read_state(root, name)

    monkeypatch.setattr(files, "read_state", counted)
    assert not wrong(run)
    assert (max(asked.values()) == 1) == fits


class Asked(dict[str, object]):
    """A dict that counts how often all of it is looked at."""

    looked_at = 0

    def items(self) -> ItemsView[str, object]:
        self.looked_at += 1
        return super().items()


def test_thousands_of_rows_are_not_each_compared_with_thousands_of_controls(run: Path) -> None:
    read_back = files.Files(read_run(run))
    asked = read_back.run.config["controls"] = Asked(read_back.run.config["controls"])
    assert not list(arms(read_back))
    assert asked.looked_at == 1


def test_a_line_of_verify_holds_no_name_of_megabytes(run: Path) -> None:
    """There may be ten thousand such lines."""
    record = json.loads((run / "run.json").read_text())
    record["keep"][1] = {"x" * 1_000_000: 1}
    (run / "run.json").write_text(json.dumps(record))
    believed(run)
    lines = wrong(run)["claims"]
    assert any(line.startswith("run.json: keep says {'xxx") for line in lines)
    assert max(map(len, lines)) <= 1000


def test_ones_own_yaml_is_not_read_by_the_gigabyte(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "mine.yaml").touch()
    os.truncate(tmp_path / "own" / "model" / "mine.yaml", 2**40)
    done = lth("run", "--config-dir=own", "model=mine")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lth: own/model/mine.yaml: 1,099,511,627,776 bytes; at most 1,048,576 are read\n"


def hollow(path: Path, size: int, before: dict[str, object]) -> None:
    """A file of safetensors, of a few blocks and of `size` bytes of tensors as its header says."""
    tensor = {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}
    header = json.dumps({"__metadata__": {"ticket": "{}"}, "weights/a": tensor, **before}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    os.truncate(path, 8 + len(header) + size)


def test_a_file_with_holes_is_refused_unread(run: Path, lth: Lth) -> None:
    for name in ("tickets/seed0.safetensors", "rounds/01/winning_seed0.safetensors"):
        hollow(run / name, 2**31, {})
    with pytest.raises(OSError, match=r"2,147,[0-9,]+ bytes, of which [0-9,]+ are there: a file with holes"):
        Ticket.load(run / "tickets" / "seed0.safetensors")
    refused = lth("run", f"ticket={run}/tickets/seed0.safetensors")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.endswith("are there: a file with holes\n")
    assert reopen(run).rounds == 1


@pytest.mark.parametrize("length", [4, 2**20 - 4, 2**40])
def test_a_header_that_does_not_fit_its_file_is_refused_before_the_rest_is_read(
    length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hollow(tmp_path / "file", 2**20, {"weights/b": {"dtype": "U8", "shape": [length], "data_offsets": [0, length]}})
    with open(tmp_path / "file", "ab") as file:
        file.write(b"more")
    monkeypatch.setattr("lth_cli.core.tensors.parse", lambda data: pytest.fail("it is read"))
    with pytest.raises(ValueError, match=r"is not a ticket: 1,0.* bytes, and .* as its header says"):
        Ticket.load(tmp_path / "file")
    (tmp_path / "file").write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(ValueError, match="a header of 1,099,511,627,776 bytes in a file of 10"):
        Ticket.load(tmp_path / "file")


LACKING = """
import resource, safetensors.torch, torch
from lth_cli.core import tensors
data = safetensors.torch.save({{"a": torch.zeros(50_000_000)}})
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 100_000_000, -1))
{first}
try:
    tensors.parse(data)
except MemoryError as error:
    print("MemoryError")
"""


@pytest.mark.parametrize("first", ["", "tensors.bytearray = lambda size: None"])
def test_tensors_that_do_not_fit_into_memory_are_a_lack_of_it(first: str) -> None:
    """Also where the library panics, as it does if the memory goes while it works."""
    done = subprocess.run(
        [sys.executable, "-c", LACKING.format(first=first)], capture_output=True, text=True, env=os.environ
    )
    assert (done.returncode, done.stdout) == (0, "MemoryError\n")
    assert first or done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ["controls=range(0,1e400)"],
        ["controls=range(0,100000000000)"],
        ["controls=range(1,nan)"],
        ["-m", "controls=range(0,100000000000)"],
        ["-m", "sparsity=range(0,inf)"],
        ["-m", "seed=range(1,nan)"],
        ["-m", "seed=range(1e308,-1e308)"],
        ["-m", "rounds=range(0)", "seed=range(0,100000000000)"],
        ["-m", f"seed=range({10**30},{10**30 + 10**13})"],
        ["-m", f"seed=range({10**40},{10**40 + 10},1.0)"],
    ],
)
def test_a_range_without_end_is_refused_before_it_is_made(words: list[str], tmp_path: Path, limited: Lth) -> None:
    done = limited("run", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"a sweep of more than 10,000 jobs|a range of numbers up to", done.stderr), done.stderr


class Unsearched(list[str]):
    def __contains__(self, key: object) -> bool:
        raise AssertionError(f"{key} is searched, for each override of each job")


def test_thousands_of_keys_are_not_each_searched_for_each_job() -> None:
    assert job_name(["b=2", "seed=1", "a=3"], Unsearched(["a", "seed"])) == "a=3,seed=1"


def test_jobs_and_their_overrides_are_bounded_together() -> None:
    """Either number may be what a sweep may have, and what they make together no work of seconds."""
    keys = [f"k{i}=range(1)" for i in range(399)]
    assert sum(1 for _ in jobs([*keys, "seed=range(500)"])) == 500
    with pytest.raises(ConfigError, match="200,400 overrides in all jobs of the sweep together: at most 200,000"):
        jobs([*keys, "seed=range(501)"])
    assert sum(1 for _ in jobs([*keys[:19], "seed=range(10000)"])) == 10_000


class Row(dict[str, Any]):
    """A row that counts how often it is asked for a number."""

    times = 0

    def __getitem__(self, key: str) -> Any:
        Row.times += 1
        return super().__getitem__(key)


def test_of_each_round_all_that_came_before_is_not_summed_up_anew() -> None:
    """At first a round cost as much as all rounds before it."""

    def asked(rounds: int) -> int:
        arms = ("winning", "dense_retrained", "random_mask")
        one = records.run({(k, arm, 0): 0.5 for k in range(1, rounds + 1) for arm in arms} | {(0, "dense", 0): 0.5})
        one = replace(one, history=[Row(row) for row in one.history])
        before = Row.times
        rows = compare([one], rounds=every)
        assert [row.search_iterations for row in rows if row.arm == "random_mask"][-1] == 100 * (rounds + 1)
        return Row.times - before

    assert asked(400) < 5 * asked(100)


def test_nor_is_each_row_held_against_the_controls_and_losses_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    class Listed(dict[Any, Any]):
        """Which counts how often all of it is gone through."""

        times = 0

        def items(self) -> ItemsView[Any, Any]:
            Listed.times += 1
            return super().items()

    monkeypatch.setattr("lth_cli.results.compare.beaten", lambda *_: Listed(beaten(*_)))
    arms = ("winning", "random_mask")
    one = records.run(
        {(k, arm, seed): 0.5 for k in range(1, 31) for arm in arms for seed in (0, 1)} | {(0, "dense", 0): 0.5},
        record={"diverged": [{"arm": "winning", "round": 7, "seed": 2, "what": "winning diverged"}]},
    )
    experiment = gathered([one])[0].showing(every)
    rows = rows_of(replace(experiment, diverged=Listed(experiment.diverged)), 1.0)
    assert Listed.times <= 1 + len(experiment.arms)
    assert [row.diverged for row in rows if row.arm == "random_mask"] == [0] * 6 + [1] * 24
    assert [row.controls for row in rows if row.arm == "winning"] == [1] * 30


def test_a_value_of_megabytes_does_not_fill_every_row() -> None:
    runs = [records.run({(0, "dense", 0): 0.5}, note=f"{'x' * 200_000}\n{i}") for i in range(2)]
    rows = [row for one in gathered(runs) for row in rows_of(one.showing(every), 1.0, ["note"])]
    assert [row.keys["note"] for row in rows] == [f"{'x' * 50}…{'x' * 47}�{i}" for i in range(2)]
