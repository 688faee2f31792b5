"""The real command line, end to end: every command, and what it writes and shows."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import lth_cli
from lth_cli.core import masks
from tests.command import Lth, history, only_run
from tests.interrupted import results

FAST = ("rounds=2", "train.iterations=3ep")
QUICK = ("rounds=2", "train.iterations=25it", "eval_every=10it")


def test_run_compare_and_list_as_a_newcomer_would(lth: Lth, lth_process: Lth, tmp_path: Path) -> None:
    """Among it that sparsity is what is removed: hidden-networks' users ask whether their prune_rate is kept."""
    ran = lth_process("run", *FAST, "sparsity=0.9", "replicates=2", "controls_at=all")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert re.fullmatch(r"round  0/2  density 1.0000  dense \d+\.\d+%  \d+\.\d s", lines[0])
    assert re.match(r"round  2/2  density 0.1000  winning .*  random_reinit .*  random_mask ", lines[2])
    for word in (
        "parameters kept",
        "density",
        "test accuracy %",
        "retained",
        "ticket − it",
        "verdict",
        "early stop",
        "time",
    ):
        assert word in ran.stdout
    run = only_run(tmp_path)
    assert lines[-1] == str(run)
    assert re.fullmatch(r"\d\d-\d\d-\d\d_lenet_300_100_digits", run.name)
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["seeds"], record["prunable_weights"]) == ("done", [0, 1], 50_200)
    assert record["command"] == f"lth run {' '.join(FAST)} sparsity.target=0.9 replicates=2 controls_at=all"
    assert yaml.safe_load((run / "config.yaml").read_text())["sparsity"]["target"] == 0.9
    assert (run / ".hydra" / "overrides.yaml").is_file()
    rows = history(run)
    assert len(rows) == 2 * (1 + 3 + 3)
    for seed in (0, 1):
        ticket = lth_cli.Ticket.load(run / "tickets" / f"seed{seed}.safetensors")
        assert masks.remaining(ticket.mask) == 5_020
        kept = {(row["round"], row["arm"]): row["remaining"] for row in rows if row["seed"] == str(seed)}
        assert kept["2", "winning"] == kept["2", "random_reinit"] == kept["2", "random_mask"] == "5020"

    table = lth_process("compare")
    assert (table.returncode, table.stderr) == (0, "")
    assert "matching: above −1; below: under −1" in " ".join(table.stdout.split())
    assert table.stdout.startswith("lenet_300_100 digits\n")
    for arm in ("dense", "winning", "random_reinit", "random_mask"):
        assert re.search(rf"(?m)^{arm} +[\d.]+ ", table.stdout)
    every = lth("compare", "--rounds", "--format", "csv", str(run))
    assert [row["round"] for row in csv.DictReader(every.stdout.splitlines())] == ["0", "1", "1", "1", "2", "2", "2"]
    document = json.loads(lth("compare", "--format", "json", "--tolerance", "0.5", "outputs").stdout)
    assert (document["tolerance"], len(document["rows"])) == (0.5, 4)
    assert lth("compare", "outputs/*/*", "--format", "markdown").stdout.startswith("| run | arm | round |")
    written = lth("compare", "-o", "table.txt", "--plot", "picture.png")
    assert written.stdout.splitlines() == ["wrote picture.png", "wrote table.txt"]
    assert "winning" in (tmp_path / "table.txt").read_text()
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    # What most tests see of a command, in their own process, is what its users see.
    for command in (
        ("compare", "--rounds"),
        ("compare", "nowhere"),
        ("verify", str(run)),
        ("list", "controls"),
        ("run", "--cfg", "job"),
        ("run", "model=covn4"),
    ):
        here, there = lth(*command), lth_process(*command)
        assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(
    lth: Lth, lth_process: Lth, tmp_path: Path
) -> None:
    """Whatever the process has done before."""
    for folder, seed, start in (("a", 0, lth), ("b", 0, lth_process), ("c", 1, lth)):
        (tmp_path / folder).mkdir()
        ran = start("run", *QUICK, "model=conv2", f"seed={seed}", "rewind=early", cwd=tmp_path / folder)
        assert ran.returncode == 0
    a, b, c = (only_run(tmp_path / folder) for folder in "abc")
    found = [results(run) for run in (a, b, c)]
    assert found[0] == found[1]
    assert (a / "config.yaml").read_bytes() == (b / "config.yaml").read_bytes()
    assert found[0]["history"] != found[2]["history"]
    assert len([name for name in found[0] if name.endswith(".safetensors")]) == 2 + 1 + 3 + 1
    assert found[0]["tickets/seed0.safetensors"] != found[2]["tickets/seed1.safetensors"]


def test_a_sweep_over_rewinds_and_seeds(lth: Lth, tmp_path: Path) -> None:
    rewinds = ["init", "early", "late", "learning_rate", "none"]
    swept = lth("run", "-m", f"rewind={','.join(rewinds)}", "seed=range(2)", "rounds=1", "train.iterations=25it")
    assert (swept.returncode, swept.stderr) == (0, "")
    sweep = only_run(tmp_path)
    assert swept.stdout.splitlines()[-1] == f"10 done in {sweep.relative_to(tmp_path)}"
    assert {path.name for path in sweep.iterdir() if path.is_dir()} == {
        f"rewind={rewind},seed={seed}" for rewind in rewinds for seed in (0, 1)
    }
    # One plain line per round and job, and no bars.
    told = r"job \d+/10 rewind=\w+ seed=\d: round +\d/1 "
    assert sum(re.match(told, line) is not None for line in swept.stdout.splitlines()) == 20
    document = json.loads(lth("compare", str(sweep), "--format", "json").stdout)
    rows = {(row["run"], row["arm"]): row["seeds"] for row in document["rows"]}
    arms = ("dense", "winning", "random_reinit", "random_mask")
    again = {(f"rewind={rewind}", "dense_retrained"): 2 for rewind in ("learning_rate", "none")}
    assert rows == {(f"rewind={rewind}", arm): 2 for rewind in rewinds for arm in arms} | again


@pytest.mark.parametrize(
    ("arguments", "targets"),
    [(["sparsity=0.5,0.9"], {0.5, 0.9}), (["sparsity=linear", "sparsity.target=0.5,0.6"], {0.5, 0.6})],
)
def test_sweeps_over_sparsity(lth: Lth, tmp_path: Path, arguments: list[str], targets: set[float]) -> None:
    assert lth("run", "-m", *arguments, "rounds=1", "train.iterations=2it", "controls=[]").returncode == 0
    configs = [yaml.safe_load(file.read_text()) for file in only_run(tmp_path).glob("*/config.yaml")]
    assert {config["sparsity"]["target"] for config in configs} == targets


def test_a_sweep_in_worker_processes(lth_process: Lth, tmp_path: Path) -> None:
    swept = lth_process("run", "-m", "hydra/launcher=joblib", "seed=0,1", "rounds=1", "train.iterations=1ep")
    assert swept.returncode == 0, swept.stderr
    assert "2 done in" in swept.stdout
    for job in ("job 1/2 seed=0", "job 2/2 seed=1"):
        assert sum(line.startswith(f"{job}: round ") for line in swept.stdout.splitlines()) == 2
    assert {path.name for path in only_run(tmp_path).iterdir() if path.is_dir()} == {"seed=0", "seed=1"}


def test_a_job_that_fails_does_not_hide_the_others(lth: Lth, tmp_path: Path) -> None:
    swept = lth("run", "-m", "train.lr=1e30,1e-3", "train.optimizer=sgd", "rounds=1", "train.iterations=2ep")
    assert swept.returncode == 1
    sweep = only_run(tmp_path)
    assert "1 done, 1 failed in" in swept.stdout
    assert re.search(r"failed: .*train.lr=1e.?30: Diverged: round 0, dense, seed 0: the training loss is", swept.stdout)
    compared = lth("compare", str(sweep))
    assert compared.returncode == 0
    assert "winning" in compared.stdout
    assert compared.stderr.startswith("lth: failed: ")


@pytest.mark.parametrize("arguments", [("rounds=1",), ("sparsity=one_shot",), ("sparsity=densities",), ("seed=0",)])
def test_shapes_of_a_run(lth: Lth, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert lth("run", "train.iterations=2it", "controls=[]", *arguments).returncode == 0
    rounds = {"sparsity=densities": 4, "seed=0": 10}.get(arguments[0], 1)
    assert [int(row["round"]) for row in history(only_run(tmp_path))] == list(range(rounds + 1))


def test_a_layer_that_is_emptied_is_named_while_the_run_goes_on(lth: Lth, tmp_path: Path) -> None:
    """SynFlow's users see layers pruned completely without a word."""
    ran = lth("run", "model=conv2", "rounds=1", "sparsity=0.9999", "train.iterations=2it")
    assert ran.returncode == 0
    assert re.search(r"round 1, seed 0: pruning emptied the layer \w+\.weight; no signal passes it", ran.stdout)
    notes = json.loads((only_run(tmp_path) / "run.json").read_text())["notes"]
    assert all(note in ran.stdout for note in notes)


def test_a_users_own_yaml(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "my conf" / "model").mkdir(parents=True)
    text = "# Two layers of my own.\n_target_: lth_cli.models.mlp\nhidden: [7]\n"
    (tmp_path / "my conf" / "model" / "mine.yaml").write_text(text)
    ran = lth("run", "--config-dir", "my conf", "model=mine", *QUICK)
    assert ran.returncode == 0, ran.stderr
    assert json.loads((only_run(tmp_path) / "run.json").read_text())["parameters"] == 64 * 7 + 7 + 7 * 10 + 10
    assert "model=mine           Two layers of my own." in lth("list", "models", "--config-dir", "my conf").stdout
    assert "model=mine" not in lth("list", "models").stdout


def test_a_pruner_of_ones_own_is_one_function_and_one_yaml(lth_process: Lth, tmp_path: Path) -> None:
    (tmp_path / "conf" / "pruner").mkdir(parents=True)
    (tmp_path / "mine.py").write_text("def smallest(view):\n    return {n: -view.params[n].abs() for n in view.mask}\n")
    (tmp_path / "conf" / "pruner" / "smallest.yaml").write_text(
        "defaults: [magnitude]\nscore: {_target_: mine.smallest}\n"
    )
    options = ("rounds=1", "train.iterations=2ep", "controls=[]")
    ran = lth_process("run", "--config-dir", "conf", "pruner=smallest", *options)
    assert ran.returncode == 0, ran.stderr
    run = only_run(tmp_path)
    trained = load_file(run / "rounds" / "00" / "dense_seed0.safetensors")
    mask = lth_cli.Ticket.load(run / "tickets" / "seed0.safetensors").mask
    kept = torch.cat([trained[f"params/{name}"][m].abs() for name, m in mask.items()])
    gone = torch.cat([trained[f"params/{name}"][~m].abs() for name, m in mask.items()])
    assert kept.max() <= gone.min()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--cfg", "job", "sparsity=0.8"), "target: 0.8"),
        (("run", "--info", "defaults"), "lenet_300_100"),
        (("run", "--help"), "lth run model=conv4 sparsity=0.9 rounds=10"),
        (("--help",), "lth compare"),
        (("compare", "--help"), "--tolerance"),
        (("--version",), f"lth {lth_cli.__version__}"),
        (("list", "models"), "model=conv4"),
        (("list", "datasets"), "dataset=fashion_mnist"),
        (("list", "pruners"), "pruner=magnitude"),
        (("list", "patterns"), "pattern=n_m"),
        (("list", "controls"), "controls=[smart_ratio]"),
        (("list", "rewinds"), "rewind=learning_rate"),
        (("list", "sparsities"), "sparsity=fixed_rate"),
        (("list", "experiments"), "+experiment=lenet_mnist"),
        (("list",), "train=sgd"),
    ],
)
def test_what_only_shows_something(lth: Lth, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    shown = lth(*arguments)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert words in shown.stdout
    assert not list(tmp_path.iterdir())


IMPORTS = """
import sys
from lth_cli.cli import main

def imported(*arguments):
    try:
        main(arguments)
    except SystemExit:
        pass
    print(sorted({'torch', 'hydra', 'sklearn', 'torch._dynamo'} & set(sys.modules)), file=sys.stderr)

"""


def imports(folder: Path, *commands: tuple[str, ...]) -> list[str]:
    """The large packages that a process has imported after each of some commands."""
    code = IMPORTS + "\n".join(f"imported(*{command!r})" for command in commands)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return [line for line in done.stderr.splitlines() if line.startswith("[")]


def test_hydra_and_torch_are_imported_only_where_they_work(run: Path) -> None:
    light = [("--help",), ("--version",), ("list",), ("list", "runs"), ("watch", str(run)), ("compare", str(run))]
    assert imports(run.parent, *light, ("verify", str(run))) == [*["[]"] * 6, "['torch']"]
    assert imports(run.parent, ("run", "--cfg", "job"), ("run", "--info", "defaults")) == ["['hydra']"] * 2


def test_a_run_does_not_import_the_compiler_of_torch(tmp_path: Path) -> None:
    """A second of every run, for nothing."""
    assert imports(tmp_path, ("run", "rounds=1", "train.iterations=2it")) == ["['hydra', 'torch']"]


def test_a_profile_shows_where_the_time_goes(lth: Lth, tmp_path: Path) -> None:
    shown = lth("run", "rounds=1", "train.iterations=50it", "profile=true", "replicates=2").stdout
    run = only_run(tmp_path)
    seconds = json.loads((run / "profile" / "times.json").read_text())
    parts = {"data", "forward", "backward", "optimizer", "masks", "evaluation", "files", "pruning and checks"}
    assert seconds.keys() == parts | {"rest of training"}
    assert all(part in shown and seconds[part] > 0 for part in parts)
    events = json.loads((run / "profile" / "trace.json").read_text())["traceEvents"]
    assert sum(event.get("name") == "optimizer" for event in events) == 20
    assert json.loads((run / "run.json").read_text())["executor"] == "serial"


def test_the_executor_is_recorded_and_refused_where_it_cannot_be(lth: Lth, tmp_path: Path) -> None:
    assert lth("run", "rounds=1", "train.iterations=5it", "executor=stacked").returncode == 0
    assert json.loads((only_run(tmp_path) / "run.json").read_text())["executor"] == "stacked"
    refused = lth("run", "executor=stacked", "profile=true")
    assert refused.returncode == 2
    assert "profile=True: only executor=serial shows its parts" in refused.stderr
