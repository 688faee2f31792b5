"""`lth verify` finds where the record, the names and the runs of a sweep contradict each other, and only there."""

import json
import os
import shutil
import tracemalloc
from pathlib import Path

import pytest

from lth_cli.cli import main
from lth_cli.results.checks import sweeps
from lth_cli.results.checks.sweeps import contradictions
from lth_cli.rundir.tables import header, lines, parse_table
from tests.command import Lth, as_before
from tests.lies import believed, swap, wrong

SHORT = ("rounds=1", "controls=[]", "train.iterations=2it", "model.hidden=[8]", "eval_every=1it")
SWEPT = ("-m", "seed=range(2)", "rewind=init,none", "train.lr=0.001", *SHORT, "hydra.sweep.dir=sweep")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two seeds and two strategies; only read."""
    folder = tmp_path_factory.mktemp("swept")
    with as_before():
        os.chdir(folder)
        assert main(["run", *SWEPT]) == 0
    return folder / "sweep"


@pytest.fixture
def sweep(swept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(swept, tmp_path / "sweep"))


def said(sweep: Path, **other: object) -> None:
    """Let sweep.json say something else."""
    record = json.loads((sweep / "sweep.json").read_text())
    (sweep / "sweep.json").write_text(json.dumps({**record, **other}))


def reseeded(run: Path, old: int, new: int) -> None:
    """All of a run says that its seed was another."""
    for file in [*run.rglob(f"*seed{old}.safetensors")]:
        file.rename(file.with_name(file.name.replace(f"seed{old}", f"seed{new}")))
    for table in ("history.csv", "layers.csv", "curves.csv"):
        rows = parse_table((run / table).read_text(), table, 1)
        (run / table).write_bytes(header(table) + lines(table, [{**row, "seed": new} for row in rows]))
    swap("config.yaml", f"seed: {old}", f"seed: {new}")(run)
    for name in ("run.json", "manifest.json", ".hydra/overrides.yaml"):
        text = (run / name).read_text()
        for form in ("seed={}", "_seed{}", "/seed{}"):
            text = text.replace(form.format(old), form.format(new))
        (run / name).write_text(text)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "seeds": [new]}))
    believed(run)


def test_a_sweep_as_it_was_typed_is_in_order(swept: Path, lth: Lth) -> None:
    """Though its strategies share their dense networks."""
    assert list(contradictions(swept)) == []
    verified = lth("verify", str(swept))
    assert (verified.returncode, verified.stdout.count("not known")) == (0, 0), verified.stdout


@pytest.mark.parametrize(
    "changes",
    [
        ("seed=0,1", "train.lr=1e-3,0.010"),
        ("controls=[random_mask],[random_mask,random_reinit]",),
        ("sparsity=0.5,0.9", "seed=1,2", "replicates=2"),
        ("rewind=glob(n*)", "seed=range(1,4,2)"),
        ("seed=0,1", "hydra.sweep.subdir='seed=${hydra.job.num}1'"),
        ("output='a b','c d'", "pruner.rates.fc=1"),
        ("+experiment=lenet_mnist_5k", "dataset=digits", "replicates=1", "eval_every=1it,2it", "rounds=1"),
        ("on_divergence=stop,skip", "profile=false,no"),
    ],
)
def test_a_sweep_of_any_kind_is_in_order(changes: tuple[str, ...], lth: Lth) -> None:
    assert lth("run", "-m", *SHORT, *changes, "hydra.sweep.dir=sweep").returncode == 0
    verified = lth("verify", "sweep")
    assert verified.returncode == 0, verified.stdout


def test_a_folder_that_is_not_what_its_name_says_is_found(sweep: Path, lth: Lth) -> None:
    """Two runs that change places: each is in order by itself."""
    one, other = sweep / "rewind=init,seed=0", sweep / "rewind=none,seed=1"
    one.rename(sweep / "between")
    other.rename(one)
    (sweep / "between").rename(other)
    assert wrong(one) == wrong(other) == {}
    found = list(contradictions(sweep))
    assert "rewind=init,seed=0: the folder is called seed=0, config.yaml has 1" in found
    assert "rewind=init,seed=0: the folder is called rewind=init, choices of run.json has 'none'" in found
    assert len(found) == 4
    verified = lth("verify", "sweep")
    assert verified.returncode == 1
    assert "sweep: 4 jobs expected, 4 found (FAILED)" in verified.stdout


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"expected": 2}, "sweep.json: 2 jobs expected, its command asks for 4"),
        ({"jobs": ["rewind=init,seed=0"]}, "not those of its command: it names 1 of 4"),
        ({"jobs": [f"rewind=init,seed={i}" for i in range(4)]}, "not those of its command: it names 2 of 4"),
        ({"jobs": ["rewind=init,seed=0"] * 4}, "not those of its command: it names 1 of 4"),
        ({"jobs": ["seed=0,seed=1"] * 4}, "not those of its command: it names 0 of 4"),
        ({"command": "lth run -m seed=0,1,2 rewind=init,none"}, "4 jobs expected, its command asks for 6"),
        ({"command": "lth run -m seed=1,2 rewind=init,none"}, "its jobs are not those of its command"),
    ],
)
def test_a_record_that_its_command_contradicts_is_found(other: dict[str, object], words: str, sweep: Path) -> None:
    said(sweep, **other)
    assert any(words in line for line in contradictions(sweep))


def test_jobs_that_are_taken_out_of_a_sweep_are_found_by_hydras_record(sweep: Path, lth: Lth) -> None:
    for name in ("rewind=init,seed=1", "rewind=none,seed=1"):
        shutil.rmtree(sweep / name)
    command = json.loads((sweep / "sweep.json").read_text())["command"].replace("range(2)", "range(1)")
    said(sweep, command=command, expected=2, jobs=["rewind=init,seed=0", "rewind=none,seed=0"])
    assert list(contradictions(sweep)) == ["sweep.json: 2 jobs expected, multirun.yaml asks for 4"]
    assert lth("verify", str(sweep)).returncode == 1
    for text in ("hydra: [", "- 1", "hydra: &a {overrides: *a}"):  # which Hydra never wrote
        (sweep / "multirun.yaml").write_text(text)
        assert list(contradictions(sweep)) == []
    (sweep / "multirun.yaml").unlink()
    assert list(contradictions(sweep)) == []


@pytest.mark.parametrize("part", ["seed=0,1", "seed=0,3", "seed=3,4"])
def test_a_sweep_that_goes_on_in_part_forgets_none_of_its_jobs(part: str, lth: Lth, tmp_path: Path) -> None:
    assert lth("run", "-m", "seed=0,1,2", *SHORT, "hydra.sweep.dir=sweep").returncode == 0
    sweep = tmp_path / "sweep"
    shutil.rmtree(sweep / "seed=2")
    assert lth("run", "resume=sweep", part).returncode == 0
    record = json.loads((sweep / "sweep.json").read_text())
    assert set(record["jobs"]) == {f"seed={seed}" for seed in (0, 1, 2, *map(int, part[5:].split(",")))}
    verified = lth("verify", "sweep")
    assert verified.returncode == 1
    assert "missing: seed=2 (FAILED)" in verified.stdout
    assert "sweep.json:" not in verified.stdout
    assert lth("run", "resume=sweep").returncode == 0
    assert lth("verify", "sweep").returncode == 0


def test_a_command_of_a_sweep_is_checked_where_it_could_go_on(sweep: Path) -> None:
    """Ten thousand values are no more than that."""
    said(sweep, command=f"lth run -m seed={','.join(map(str, range(10_000, 20_000)))}")
    assert "sweep.json: 4 jobs expected, its command asks for 10000" in list(contradictions(sweep))


@pytest.mark.parametrize(
    "more", ["hydra/sweeper=mine", "seed=interval(0,1)", "model='a,b'", "seed=0,1", "x=choice(1,2)"]
)
def test_what_only_hydra_knows_is_left_to_it(more: str, sweep: Path) -> None:
    command = json.loads((sweep / "sweep.json").read_text())["command"]
    said(sweep, expected=9, command=f'{command} "{more}"')
    assert list(contradictions(sweep)) == []


def test_a_run_that_is_a_copy_of_another_seed_is_found(sweep: Path) -> None:
    """By its network; and where that is not the same to the last bit, by how it learnt."""
    run = sweep / "rewind=init,seed=1"
    shutil.rmtree(run)
    shutil.copytree(sweep / "rewind=init,seed=0", run)
    reseeded(run, 0, 1)
    assert "files" not in wrong(run)
    found = list(contradictions(sweep))
    assert found == [f"{run.name}: its dense network of seed 1 is that of seed 0 in rewind=init,seed=0"]
    (run / "rounds/00/dense_seed1.safetensors").unlink()
    shutil.copy(sweep / "rewind=none,seed=1/rounds/00/dense_seed1.safetensors", run / "rounds/00")
    assert list(contradictions(sweep)) == found


def test_a_run_that_is_a_copy_with_another_learning_rate_is_found(sweep: Path) -> None:
    swap("config.yaml", "lr: 0.001", "lr: 0.01")(sweep / "rewind=none,seed=0")
    assert list(contradictions(sweep)) == [
        "rewind=none,seed=0: its dense network of seed 0 is that of seed 0 in rewind=init,seed=0"
    ]


def test_runs_that_are_copies_are_found_in_any_folder(sweep: Path, lth: Lth) -> None:
    """Without the record of a sweep, and across sweeps; copies of a folder with its own seed are no lie."""
    (sweep / "sweep.json").unlink()
    for other in ("rewind=init,seed=1", "rewind=none,seed=1", "rewind=none,seed=0"):
        shutil.rmtree(sweep / other)
    honest = sweep / "rewind=init,seed=0"
    shutil.copytree(honest, sweep / "backup")
    assert lth("verify", str(sweep)).returncode == 0
    shutil.copytree(honest, sweep / "other")
    reseeded(sweep / "other", 0, 1)
    for given in ([str(sweep)], [str(honest), str(sweep / "other")]):
        verified = lth("verify", *given)
        assert verified.returncode == 1
        assert "its dense network of seed" in verified.stdout.partition("together: (FAILED)")[2]


def test_commands_that_ask_for_more_than_can_be_counted_cost_nothing(sweep: Path, limited: Lth) -> None:
    """And what one folder makes of it hides nothing of the others."""
    words = " ".join(f"k{i}=range(10000)" for i in range(400))
    for i in range(20):
        (sweep.parent / f"s{i}").mkdir()
        (sweep.parent / f"s{i}" / "sweep.json").write_text(json.dumps({"command": f"lth run {words}", "expected": 1}))
    verified = limited("verify", ".", cwd=sweep.parent)
    assert (verified.returncode, verified.stderr) == (1, "")
    assert verified.stdout.count("1 jobs expected, its command asks for more than 1,000,000") == 20
    assert verified.stdout.endswith("4 of 4 runs are in order\n")


@pytest.mark.parametrize(("expected", "jobs"), [(9999, ["x"]), (10_000, ["x"]), (10_000, ["x"] * 10_000)])
def test_the_jobs_that_a_short_command_asks_for_are_not_all_listed(expected: int, jobs: list[str], sweep: Path) -> None:
    """Ten thousand of hundreds of overrides each, of which gigabytes can be made."""
    words = " ".join(f"k{i}=range(1)" for i in range(400))
    said(sweep, command=f"lth run -m z=range(10000) {words}", expected=expected, jobs=jobs)
    tracemalloc.start()
    found = list(contradictions(sweep))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[0].startswith("sweep.json: ")
    assert most < 2**25


def test_a_folder_whose_check_breaks_hides_no_other(sweep: Path, lth: Lth, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> None:
        raise ValueError("digits")

    monkeypatch.setattr(sweeps, "_runs", broken)
    verified = lth("verify", str(sweep))
    assert verified.returncode == 1
    assert "ValueError: digits" in verified.stdout
    assert verified.stdout.endswith("4 of 4 runs are in order\n")
