"""`lth verify` finds each kind of lie that the files of a run can tell, and nothing in a run that is right."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_cli.core.ticket import Ticket
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.manifest import Manifest
from tests.command import Lth
from tests.interrupted import start
from tests.lies import Lie, believed, change, claim, copy, swap, without, wrong


@pytest.fixture
def run(finished: Callable[..., Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished("rewind=init", "replicates=2"), tmp_path / "run"))


@pytest.mark.parametrize("rewind", ["init", "late", "learning_rate", "none"])
@pytest.mark.parametrize("pruner", ["magnitude", "supermask"])
def test_a_run_that_is_right_passes(pruner: str, rewind: str, finished: Callable[..., Path]) -> None:
    changes = (f"rewind={rewind}", "replicates=2")
    assert wrong(finished(*changes, *([f"pruner={pruner}"] if pruner != "magnitude" else []))) == {}


@pytest.mark.parametrize("rewind", ["init", "learning_rate"])
def test_a_weight_that_was_trained_beside_a_learned_mask_is_found(
    rewind: str, finished: Callable[..., Path], tmp_path: Path
) -> None:
    learned = finished(f"rewind={rewind}", "replicates=2", "pruner=supermask")
    run = Path(shutil.copytree(learned, tmp_path / "run"))
    change("rounds/02/winning_seed1.safetensors", "params/fc1.weight", lambda p: p * 1.0001)(run)
    believed(run)
    assert wrong(run)["weights"][0] == "round 2, winning, seed 1: a weight is not that of the rewind point"


def other_weights(path: Path) -> None:
    ticket = Ticket.load(path / "tickets" / "seed0.safetensors")
    weights = {name: p + 1 for name, p in ticket.weights.items()}
    Ticket(ticket.mask, weights, ticket.buffers, ticket.metadata).save(path / "tickets" / "seed0.safetensors")


def other_counts(path: Path) -> None:
    row = (path / "history.csv").read_text().splitlines()[3]
    cells = row.split(",")
    cells[5] = str(int(cells[5]) + 1)
    swap("history.csv", row, ",".join(cells))(path)


def best_of_all(path: Path) -> None:
    row = (path / "history.csv").read_text().splitlines()[3]
    cells = row.split(",")
    cells[8] = "0.99"
    swap("history.csv", row, ",".join(cells))(path)


LIES = [
    ("counts", other_counts, "round 1, winning, seed 0: history says"),
    ("counts", swap("layers.csv", "1,winning,0,fc1.", "1,winning,0,fc9."), "layers says None of fc1.weight"),
    ("curves", best_of_all, "round 1, winning, seed 0: history is not the end and the minimum of its curve"),
    (
        "nested",
        change("rounds/02/winning_seed0.safetensors", "mask/fc1.weight", torch.ones_like),
        "round 2, winning, seed 0: keeps weights that round 1 had pruned",
    ),
    (
        "nested",
        change("rounds/00/dense_seed1.safetensors", "mask/fc1.weight", torch.zeros_like),
        "round 0, dense, seed 1: not the dense network",
    ),
    (
        "zeros",
        change("rounds/01/winning_seed0.safetensors", "params/fc1.weight", lambda p: p + 1),
        "round 1, winning, seed 0: a pruned weight is not zero",
    ),
    (
        "controls",
        copy("rounds/01/random_mask_seed0.safetensors", "rounds/01/random_reinit_seed0.safetensors"),
        "round 1, random_reinit, seed 0: the mask is not the ticket's",
    ),
    (
        "controls",
        copy("rounds/01/winning_seed0.safetensors", "rounds/01/random_mask_seed0.safetensors"),
        "round 1, random_mask, seed 0: the mask of fc1.weight is the ticket's",
    ),
    (
        "controls",
        change("rounds/01/random_mask_seed0.safetensors", "mask/fc1.weight", torch.ones_like),
        "round 1, random_mask, seed 0: other layer counts",
    ),
    ("tickets", other_weights, "seed0.safetensors: its weights are not those of the rewind point"),
    (
        "tickets",
        copy("tickets/seed1.safetensors", "tickets/seed0.safetensors"),
        "seed0.safetensors: not the mask of round 3",
    ),
    ("tickets", swap("config.yaml", "seed: 0", "seed: 5"), "its metadata holds another config"),
]


@pytest.mark.parametrize(("name", "lie", "words"), LIES, ids=[words for _, _, words in LIES])
def test_a_lie_is_found_by_its_hash_and_without_it(name: str, lie: Lie, words: str, run: Path) -> None:
    lie(run)
    assert "files" in wrong(run)
    believed(run)
    found = wrong(run)
    assert "files" not in found
    assert any(words in line for line in found[name])


def repeated(table: str, row: str, old: str, new: str) -> Lie:
    """A row once more, with something else in it."""

    def lie(path: Path) -> None:
        (line,) = (line for line in (path / table).read_text().splitlines() if line.startswith(row))
        swap(table, line, line.replace(old, new, 1) + "\n" + line)(path)

    return lie


def unlisted(path: Path) -> None:
    manifest = Manifest.load(path)
    for name in manifest.files.keys() - {"config.yaml"}:
        del manifest.files[name]
    manifest.save(path)


def ticket_with(**changes: Any) -> Lie:
    """Metadata by key, and buffers and pruned_to."""

    def lie(path: Path) -> None:
        file = path / "tickets" / "seed0.safetensors"
        ticket = Ticket.load(file)
        tensors = {key: changes.pop(key) for key in ("buffers", "pruned_to") if key in changes}
        replace(ticket, metadata={**ticket.metadata, **changes}, **tensors).save(file)

    return lie


def everywhere(old: str, new: str) -> Lie:
    """In config.yaml, and in the tickets that hold it."""

    def lie(path: Path) -> None:
        swap("config.yaml", old, new)(path)
        for file in (path / "tickets").iterdir():
            ticket = Ticket.load(file)
            replace(ticket, metadata={**ticket.metadata, "config": (path / "config.yaml").read_text()}).save(file)

    return lie


TABLES = ("history.csv", "layers.csv", "curves.csv")
LEFT_OUT = [
    ("arms", without("random_mask", *TABLES), "round 1, random_mask, seed 0: config.yaml asks for it, but it is not"),
    ("arms", without("random_mask", "history.csv"), "round 1, random_mask, seed 0: in layers.csv, but not in history"),
    ("arms", without("random_mask", "curves.csv"), "round 1, random_mask, seed 0: not in curves.csv"),
    ("arms", everywhere("  random_mask:\n", "  shuffled:\n"), "round 1, random_mask, seed 0: config.yaml does not ask"),
    ("arms", unlisted, "round 0, dense, seed 0: its state is not in manifest.json"),
    ("counts", repeated("layers.csv", "1,winning,0,fc1.weight", "512", "9"), "layers names one of them twice"),
    ("curves", repeated("curves.csv", "2,winning,0,2,", ",2,", ",3,"), "round 2, winning, seed 0: its curve is not"),
    ("curves", swap("curves.csv", "2,winning,0,2,", "2,winning,0,1,"), "round 2, winning, seed 0: its curve is not"),
    (
        "zeros",
        change("rounds/02/winning_seed0.safetensors", "params/fc1.bias", lambda p: p * torch.nan),
        "round 2, winning, seed 0: a weight is not a number",
    ),
    (
        "controls",
        copy("rounds/02/winning_seed0.safetensors", "rounds/02/random_reinit_seed0.safetensors"),
        "round 2, random_reinit, seed 0: its weights are the ticket's",
    ),
    (
        "nested",
        copy("rounds/00/dense_seed0.safetensors", "rounds/00/dense_seed1.safetensors"),
        "round 0, dense, seed 1: the network of round 0, dense, seed 0: no two seeds train to the same",
    ),
    ("tickets", ticket_with(test_accuracy=0.99), "its metadata says test_accuracy is 0.99"),
    ("tickets", ticket_with(round=9), "its metadata says round is 9"),
    ("tickets", ticket_with(order_position=9), "its metadata says order_position is 9"),
    ("tickets", ticket_with(transient=["fc1.bias"]), "its metadata says transient is"),
    ("tickets", ticket_with(buffers={"x": torch.ones(2)}), "its buffers are not those of the rewind point"),
    (
        "tickets",
        ticket_with(pruned_to={"fc1.weight": torch.ones(8, 64), "output.weight": torch.ones(10, 8)}),
        "what its weights are pruned to is not that of the rewind point",
    ),
    ("claims", everywhere("target: 0.9", "target: 0.99"), "keep says 275 of round 1, by config.yaml it is"),
    ("claims", everywhere("  iterations: 4it", "  iterations: 400it"), "iterations is 4, config.yaml asks for 400it"),
    ("claims", everywhere("iteration: 0it", "iteration: 2it"), "rewind_to is 0, by config.yaml it is 2"),
    ("images", claim("test_examples", 1), "test_examples is 1, of which round 0, dense, seed 0 cannot have"),
    ("claims", claim("choices", {"controls": "invert"}), "choices names the controls invert, config.yaml random_re"),
]


@pytest.mark.parametrize(("name", "lie", "words"), LEFT_OUT, ids=[words for _, _, words in LEFT_OUT])
def test_a_lie_that_other_files_show_is_found_though_it_is_believed(name: str, lie: Lie, words: str, run: Path) -> None:
    lie(run)
    believed(run)
    found = wrong(run)
    assert "files" not in found
    assert any(words in line for line in found[name]), found


@pytest.mark.parametrize("pruned_to", [{}, {"fc1.weight": torch.zeros(8, 64), "output.weight": torch.zeros(10, 8)}])
def test_a_ticket_pruned_to_its_start_says_so(
    pruned_to: dict[str, torch.Tensor], finished: Callable[..., Path], tmp_path: Path
) -> None:
    path = Path(shutil.copytree(finished("pruned_to=start", "rewind=late"), tmp_path / "run"))
    ticket_with(pruned_to=pruned_to)(path)
    believed(path)
    assert any("what its weights are pruned to" in line for line in wrong(path)["tickets"])


@pytest.mark.parametrize("changes", [("pruned_to=movement",), ("pruned_to=start", "rewind=late"), ("eval_every=3it",)])
def test_what_weights_are_pruned_to_and_when_they_are_evaluated_is_right(
    changes: tuple[str, ...], finished: Callable[..., Path]
) -> None:
    assert wrong(finished(*changes)) == {}


def test_a_state_of_another_network_is_refused_before_it_takes_memory(run: Path) -> None:
    """Masks of (1, n) and (n, 1) meet in n² places."""
    for name, shape in (("rounds/00/dense", (1, 100_000)), ("rounds/01/winning", (100_000, 1))):
        for part in ("mask", "params"):
            change(f"{name}_seed0.safetensors", f"{part}/fc1.weight", lambda t, shape=shape: t.new_ones(shape))(run)
    believed(run)
    assert any("a state of another network than others of this run" in line for line in wrong(run)["nested"])


CLAIMS = [
    ("parameters", 7, "parameters is 7, the state of round 0, dense, seed 0 has 610"),
    ("prunable_weights", 7, "prunable_weights is 7, the state of round 0, dense, seed 0 has 592"),
    ("layers", {"fc1.weight": {"kind": "fc", "weights": 512}}, "layers says None of output.weight"),
    ("keep", [592, 2, 3, 4], "keep says 2 of round 1, the mask of round 1, winning, seed 0 keeps 275"),
    ("keep", [592, 275, {"fc1.weight": 128}, 59], "keep says {'fc1.weight': 128} of round 2"),
    ("keep", [592, 275, 128], "keep is of 2 rounds, config.yaml asks for 3"),
    ("seeds", [0], "seeds is [0], config.yaml asks for 2 from 0"),
    ("iterations", 400, "iterations is 400, round 0, dense, seed 0 has 4, its curve 4"),
    ("diverged", [{"round": 2, "arm": "winning", "seed": 1, "what": "no"}], "round 2, winning, seed 1 diverged, but"),
]


@pytest.mark.parametrize(("key", "value", "words"), CLAIMS, ids=[words for _, _, words in CLAIMS])
def test_a_false_claim_is_found_though_it_is_believed(key: str, value: object, words: str, run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, key: value}))
    believed(run)
    assert any(line.startswith(f"run.json: {words}") or words in line for line in wrong(run)["claims"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data_sha256", "0" * 64),
        ("test_examples", 10_000),
        ("choices", {"model": "resnet20"}),
        ("versions", {}),
        ("started", "2001-01-01T00:00:00+00:00"),
        ("parameters", 7),
    ],
)
def test_a_claim_that_changed_is_found_by_its_hash(key: str, value: object, run: Path, lth: Lth) -> None:
    """Also by compare, which leaves the run out; resume makes it right, where the rounds still count."""
    claim(key, value)(run)
    assert f"run.json: {key} is not what was written" in wrong(run)["claims"]
    compared = lth("compare", "run")
    assert (compared.returncode, compared.stdout) == (2, "")
    assert compared.stderr.startswith(f"lth: damaged: run/run.json: {key}: not what was written\n")
    resumed = lth("run", "resume=run")
    if key == "data_sha256":  # of what data the rounds are, nothing else says
        assert resumed.returncode == 2
        assert "without it no round counts" in resumed.stderr
        return
    assert resumed.returncode == 0, resumed.stderr
    assert f"run.json: {key}: not what was written" in resumed.stdout
    assert wrong(run) == {}
    assert json.loads((run / "run.json").read_text())[key] != value


def test_what_is_said_while_a_run_works_is_no_claim(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    later = {"status": "interrupted", "ended": None, "notes": ["a remark"], "resumed": [{"at": "now", "round": 1}]}
    (run / "run.json").write_text(json.dumps({**record, **later}))
    assert wrong(run) == {}


def test_an_older_run_whose_manifest_lacks_the_claims_is_said_to(run: Path, lth: Lth) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["claims"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    done = lth("verify", "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "not known here: what only run.json says, such as the data's hash" in done.stdout
    assert lth("compare", "run").returncode == 0


def test_verify_on_the_command_line(lth: Lth, run: Path, tmp_path: Path) -> None:
    good = lth("verify", str(run))
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.splitlines()[-1] == "1 of 1 run is in order"
    shutil.copytree(run, tmp_path / "sweep" / "a")
    shutil.copytree(run, tmp_path / "sweep" / "b")
    (tmp_path / "sweep" / "b" / "rounds" / "01" / "winning_seed0.safetensors").unlink()
    sweep = lth("verify", "sweep")
    assert (sweep.returncode, sweep.stderr) == (1, "")
    assert sweep.stdout.splitlines()[-1] == "1 of 2 runs are in order"
    assert "FAILED  files" in sweep.stdout
    assert "rounds/01/winning_seed0.safetensors: missing" in sweep.stdout
    (run / "run.json").write_text(json.dumps([]))
    damaged = lth("verify", "run")
    assert (damaged.returncode, damaged.stderr) == (1, "")
    assert "run.json: not the record of a run" in damaged.stdout
    for nothing in (("verify", "nowhere"), ("verify",)):
        missing = lth(*nothing)
        assert (missing.returncode, missing.stdout, len(missing.stderr.splitlines())) == (2, "", 1)


def test_a_sweep_says_how_many_jobs_were_expected_and_how_many_are_there(lth: Lth, tmp_path: Path) -> None:
    options = ("-m", "seed=range(3)", "rounds=1", "controls=[]", "train.iterations=2it", "hydra.sweep.dir=sweep")
    assert lth("run", *options).returncode == 0
    (whole,) = json.loads(lth("compare", "sweep", "--format", "json").stdout)["sweeps"]
    assert whole == {"path": "sweep", "expected": 3, "found": 3, "missing": []}
    verified = lth("verify", ".")
    assert (verified.returncode, verified.stdout.splitlines()[-2]) == (0, "sweep: 3 jobs expected, 3 found")
    shutil.rmtree(tmp_path / "sweep" / "seed=1")
    words = "sweep: 3 jobs expected, 2 found; missing: seed=1"
    for form in ("table", "json", "csv"):
        compared = lth("compare", "sweep", "--format", form)
        assert (compared.returncode, compared.stderr) == (0, f"lth: sweep: {words}\n")
        assert form == "csv" or words in compared.stdout
    verified = lth("verify", "sweep")
    assert (verified.returncode, verified.stdout.splitlines()[-2]) == (1, f"{words} (FAILED)")
    for seed in (0, 2):
        shutil.rmtree(tmp_path / "sweep" / f"seed={seed}")
    assert lth("verify", "sweep").returncode == 1
    assert "3 jobs expected, 0 found; missing: seed=0, seed=1, seed=2" in lth("compare", "sweep").stderr


@pytest.mark.parametrize("change", ["hydra.sweep.subdir=${hydra.job.num}", "rewind=glob(n*)"])
def test_without_names_the_jobs_of_a_sweep_are_counted(change: str, lth: Lth, tmp_path: Path) -> None:
    options = ("-m", "seed=0,1", "rounds=1", "controls=[]", "train.iterations=2it", "hydra.sweep.dir=sweep")
    assert lth("run", *options, change).returncode == 0
    assert lth("verify", "sweep").returncode == 0
    for folder in [path for path in (tmp_path / "sweep").iterdir() if path.is_dir()][1:]:
        shutil.rmtree(folder)
    assert "sweep: 2 jobs expected, 1 found (FAILED)" in lth("verify", "sweep").stdout


def test_an_older_or_damaged_record_of_a_sweep_expects_nothing(run: Path, lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    run.rename(tmp_path / "sweep" / "a")
    for record in ('{"format": 1, "command": "lth run -m seed=0,1"}', '{"expected": -1}', '{"jobs": [3]}', "[]"):
        (tmp_path / "sweep" / "sweep.json").write_text(record)
        assert (lth("compare", "sweep").stderr, lth("verify", "sweep").returncode) == ("", 0)
    assert "1 jobs found, the sweep does not say how many were expected" in lth("verify", "sweep").stdout


def test_the_names_of_a_sweep_are_text_in_markdown(run: Path, lth: Lth, tmp_path: Path) -> None:
    sweep = tmp_path / os.fsdecode(b"s\xff<b>")
    sweep.mkdir()
    run.rename(sweep / "a")
    (sweep / "sweep.json").write_text('{"format": 1, "expected": 2, "jobs": ["a", "<img src=x>"]}')
    assert lth("compare", ".", "--format", "markdown", "-o", "o.md").returncode == 0
    (line,) = [line for line in (tmp_path / "o.md").read_text().splitlines() if "jobs expected" in line]
    assert line == "s�&lt;b&gt;: 2 jobs expected, 1 found; missing: &lt;img src=x&gt;."


def test_a_broken_pattern_is_found(finished: Callable[..., Path], tmp_path: Path) -> None:
    """The mask keeps as many weights as it should, all of them together."""
    run = Path(shutil.copytree(finished("pattern=n_m", "sparsity.target=0.5", "rounds=1"), tmp_path / "run"))
    assert wrong(run) == {}
    name = "rounds/01/winning_seed0.safetensors"
    change(name, "mask/fc1.weight", lambda m: m.flatten().sort(descending=True).values.view(m.shape))(run)
    believed(run)
    assert any("keeps more than 2 of 4" in line for line in wrong(run)["pattern"])


@pytest.mark.parametrize(
    ("changes", "check", "what"),
    [
        (("+controls.mine._target_=tests.own.Reinit",), "controls", "controls.mine: tests.own.Reinit"),
        (("rewind._target_=tests.own.LearningRate", "~rewind.iteration"), "tickets", "rewind: tests.own.LearningRate"),
        (
            ("pruner=supermask", "pruner.score._target_=tests.own.Learned"),
            "weights",
            "pruner.score: tests.own.Learned",
        ),
    ],
)
def test_what_is_not_ours_is_not_known_and_never_wrong(
    changes: tuple[str, ...], check: str, what: str, finished: Callable[..., Path], lth: Lth
) -> None:
    """A choice is not judged by what its class is called."""
    path = finished(*changes)
    found = {one.name: one for one in verify(path)}
    assert not any(one.wrong for one in found.values())
    assert found[check].not_known == [f"{what} is not lth's own"]
    done = lth("verify", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"not known here: {what}" in done.stdout


def test_a_ticket_that_was_given_starts_where_another_run_says(finished: Callable[..., Path], tmp_path: Path) -> None:
    """Its pattern and its rewinding are those of the run that found it."""
    ticket = finished() / "tickets" / "seed0.safetensors"
    start(tmp_path, f"ticket={ticket}", "rounds=1", "replicates=2", "pattern=n_m")
    found = {one.name: one for one in verify(tmp_path)}
    assert not any(one.wrong for one in found.values())
    assert found["tickets"].not_known == ["the ticket was given: where it starts stands in a file of another run"]


def test_a_run_that_finished_no_round_has_nothing_to_check(lth: Lth) -> None:
    failed = lth(
        "run", "model.hidden=[8]", "rounds=1", "train=sgd", "train.iterations=9it", "train.lr=1e30", "output=o"
    )
    assert failed.returncode == 1
    done = lth("verify", "o")
    assert (done.returncode, done.stderr) == (0, "")
    assert "not known here: no round was finished" in done.stdout


@pytest.mark.parametrize(
    "target", ["lth_cli.datasets.mnist", "lth_cli.models.mlp", "lth_cli.controls.RandomMask", "lth_cli.pruners.snip"]
)
def test_a_choice_of_another_group_is_not_called(target: str, run: Path) -> None:
    """One of lth's own, but no rewind strategy: it might read or fetch what the config names."""
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("_target_: lth_cli.rewind.Early", f"_target_: {target}"))
    found = {one.name: one for one in verify(run)}
    assert found["tickets"].not_known == [f"rewind: {target} is not lth's own"]


def test_rows_of_a_round_that_never_was_are_found(run: Path) -> None:
    with open(run / "layers.csv", "a") as file:
        file.write("9,winning,0,fc1.weight,1,2\n")
    assert wrong(run)["files"] == ["round 9 is not in manifest.json"]


def test_a_history_that_differs_from_its_hashes_is_left_out_of_a_comparison(run: Path, lth: Lth) -> None:
    best_of_all(run)
    compared = lth("compare", "run")
    assert (compared.returncode, compared.stdout) == (2, "")
    words = "run/history.csv, round 1: not the rows that were written"
    assert compared.stderr.startswith(f"lth: damaged: {words}\n")


@pytest.mark.parametrize("at", ["last", "all", "2", "[1,3]"])
def test_controls_are_where_they_are_asked_for(at: str, finished: Callable[..., Path]) -> None:
    assert wrong(finished(f"controls_at={at}")) == {}
