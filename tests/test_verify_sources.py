"""`lth verify` finds where a run's command, choices, lengths and copies contradict its other files, and only there."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lth_cli.cli import main
from lth_cli.results import overrides
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.tables import header, lines, parse_table
from tests.command import Lth, as_before
from tests.interrupted import SHORT, cut_after, start
from tests.lies import Lie, believed, change, claim, copy, swap, wrong

CONTROLS = "controls=[random_reinit,random_mask,invert]"
TYPED = (*SHORT, "rewind=late", "sparsity=0.8", "train.lr=1e-3", "replicates=2", CONTROLS, "hydra.run.dir=run")


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the real command line, with all that Hydra writes; only read."""
    folder = tmp_path_factory.mktemp("typed")
    with as_before():
        os.chdir(folder)
        assert main(["run", *TYPED]) == 0
    return folder / "run"


@pytest.fixture
def run(typed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(typed, tmp_path / "run"))


def record(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((path / "run.json").read_text())
    return found


def chosen(**other: str) -> Lie:
    def lie(path: Path) -> None:
        choices = record(path)["choices"]
        assert isinstance(choices, dict)
        claim("choices", {**choices, **other})(path)

    return lie


def everywhere(old: str, new: str) -> Lie:
    """In config.yaml only: the tickets, which hold it, tell of that on their own."""
    return swap("config.yaml", old, new)


def with_row(arm: str, **cells: object) -> Lie:
    """A row of history that says something else of an arm in the last round."""

    def lie(path: Path) -> None:
        rows = parse_table((path / "history.csv").read_text(), "history.csv", 1)
        for row in rows:
            if row["arm"] == arm and row["round"] == 3:
                row.update(cells)
        (path / "history.csv").write_bytes(header("history.csv") + lines("history.csv", rows))

    return lie


def one_curve(path: Path) -> None:
    """The dense network of seed 1 learns as that of seed 0 did, in every table."""
    for table in ("curves.csv", "history.csv"):
        rows = parse_table((path / table).read_text(), table, 1)
        dense = [row for row in rows if row["arm"] == "dense"]
        half = len(dense) // 2
        for row, other in zip(dense[half:], dense[:half], strict=True):
            row.update({**other, "seed": 1})
        (path / table).write_bytes(header(table) + lines(table, rows))


LIES = [
    (
        "command",
        swap("run.json", "train.lr=1e-3", "train.lr=1e-2"),
        "the command says train.lr=1e-2, config.yaml has 0.001",
    ),
    ("command", swap("run.json", "'model.hidden=[8]'", "'model.hidden=[8,8]'"), "says model.hidden=[8,8], config.yaml"),
    ("command", swap("run.json", "train.lr=1e-3", "train.rate=1"), "says train.rate=1, config.yaml has no such key"),
    ("command", swap("run.json", "rewind=late", "rewind=init"), "says rewind=init, choices of run.json has 'late'"),
    ("command", swap("run.json", ",invert]", ",constant]"), "invert"),
    (
        "command",
        swap(".hydra/overrides.yaml", "rewind=late", "rewind=none"),
        ".hydra/overrides.yaml: it says rewind=none",
    ),
    ("command", swap(".hydra/overrides.yaml", "lr=1e-3", "lr=1e-2"), ".hydra/overrides.yaml: it says train.lr=1e-2"),
    (
        "choices",
        swap(".hydra/hydra.yaml", "dataset: digits", "dataset: mnist"),
        ".hydra/hydra.yaml: it chose dataset=mnist, choices of run.json has digits",
    ),
    ("choices", chosen(model="conv4"), "choices has model=conv4, config.yaml is as of model=lenet_300_100"),
    ("choices", chosen(rewind="learning_rate"), "choices has rewind=learning_rate, config.yaml is as of rewind=late"),
    ("choices", chosen(pruner="snip"), "choices has pruner=snip, config.yaml is as of pruner=magnitude"),
    ("choices", chosen(train="sgd"), "choices has train=sgd, config.yaml is as of train=adam"),
    ("choices", chosen(dataset="mnist"), "choices has dataset=mnist, config.yaml is as of dataset=digits"),
    (
        "choices",
        everywhere("lth_cli.controls.RandomMask", "lth_cli.controls.RandomLabels"),
        "choices has controls=random_mask, which is lth_cli.controls.RandomMask, config.yaml has lth_cli.controls.Ran",
    ),
    ("lengths", with_row("winning", iterations=2), "it trained for 2 iterations, by config.yaml it is 3"),
    ("lengths", with_row("random_reinit", iterations=3), "it trained for 3 iterations, by config.yaml it is 4"),
    ("lengths", with_row("random_mask", iterations=4), "it trained for 4 iterations, by config.yaml it is 3"),
    (
        "copies",
        copy("rounds/03/invert_seed0.safetensors", "rounds/03/random_mask_seed0.safetensors"),
        "round 3, random_mask, seed 0",
    ),
    (
        "copies",
        copy("rounds/00/rewind_seed0.safetensors", "rounds/00/rewind_seed1.safetensors"),
        "the rewind point of seed 1 is that of seed 0",
    ),
    ("copies", one_curve, "round 0, dense, seed 1: the learning curve of round 0, dense, seed 0"),
    ("claims", everywhere("rounds: 3", "rounds: '3'"), "config.yaml: rounds is '3', no whole number"),
    ("claims", everywhere("seed: 0", "seed: 0.0"), "config.yaml: seed is '0.0', no whole number"),
    ("claims", everywhere("replicates: 2", "replicates: true"), "config.yaml: replicates is 'True', no whole number"),
    ("claims", everywhere("train:\n", "train: 3\nwas:\n"), "config.yaml: train is '3', no group of keys"),
]


@pytest.mark.parametrize(("name", "lie", "words"), LIES, ids=[words for _, _, words in LIES])
def test_what_other_files_contradict_is_found_though_it_is_believed(name: str, lie: Lie, words: str, run: Path) -> None:
    lie(run)
    believed(run)
    found = wrong(run)
    assert "files" not in found
    assert any(words in line for line in found[name]), found


def test_nothing_is_wrong_or_unknown_of_a_run_as_it_was_typed(typed: Path) -> None:
    checks = verify(typed)
    assert [(check.name, check.wrong, check.not_known) for check in checks if check.wrong or check.not_known] == []


def test_diverged_arms_are_of_a_run_that_skips_them(run: Path) -> None:
    """Or of one that once did: a run may go on with another value."""
    text = {**record(run), "diverged": [{"round": 1, "arm": "shuffle", "seed": 0, "what": "no"}]}
    (run / "run.json").write_text(json.dumps(text))
    assert any("arms diverged, but by config.yaml the run stops" in line for line in wrong(run)["claims"])
    (run / "run.json").write_text(json.dumps({**text, "resumed": [{"at": "now", "round": 1}]}))
    assert wrong(run) == {}
    (claims,) = (check for check in verify(run) if check.name == "claims")
    assert any(line.endswith("it went on since") for line in claims.not_known)


@pytest.mark.parametrize(
    ("key", "check", "words"),
    [
        ("layers", "claims", "layers: run.json does not say it"),
        ("rewind_to", "claims", "rewind_to: run.json does not say it"),
        ("iterations", "lengths", "iterations of tickets: run.json does not say how long"),
        ("command", "command", "the command: run.json has none that can be read"),
        ("choices", "choices", "choices: run.json does not name that of controls, dataset, model"),
    ],
)
def test_what_a_record_lacks_is_said_not_to_be_known(key: str, check: str, words: str, run: Path) -> None:
    text = record(run)
    del text[key]
    (run / "run.json").write_text(json.dumps(text))
    (found,) = (one for one in verify(run) if one.name == check)
    assert any(line.startswith(words) for line in found.not_known)
    assert not [line for line in found.wrong if not line.endswith(f"{key} is not what was written")]


@pytest.mark.parametrize(("characters", "is_known"), [(60_000, True), (140_000, False)])
def test_a_command_is_checked_where_it_could_go_on(characters: int, is_known: bool, run: Path) -> None:
    """However far its last word is from the others."""
    said = str(record(run)["command"])
    far = " " * (characters - len(said))
    claim("command", f"{said}{far} train.lr=1e-2".replace("train.lr=1e-3 ", ""))(run)
    believed(run)
    (command,) = (one for one in verify(run) if one.name == "command")
    lie, unknown = "says train.lr=1e-2, config.yaml has 0.001", "the command: run.json has none that can be read"
    assert [lie in line for line in command.wrong] == [True] * is_known
    assert command.not_known == [unknown] * (not is_known)


def test_a_run_whose_config_names_no_rounds_for_its_controls_says_so(run: Path) -> None:
    swap("config.yaml", "controls_at: all\n", "")(run)
    (arms,) = (check for check in verify(run) if check.name == "arms")
    assert arms.not_known[0].startswith("which controls there must be")


@pytest.mark.parametrize(
    "changes",
    [
        ("rewind=early", "rewind.iteration=1it", "+pruner.rates={fc:0.5}", "pruner.scope=layerwise"),
        ("rewind=learning_rate", "rewind.fraction=0.5", "controls=[random_labels,same_sign_reinit,constant]"),
        ("rewind=none", "controls=[random_mask,smart_ratio,reshuffle]", "init=signed_constant"),
        ("pruner=edge_popup", "rewind=late", "controls=[random_reinit,random_mask]"),
        ("sparsity=one_shot", "rounds=1", "pattern=filters", "sparsity.target=0.5", "profile=no"),
        ("sparsity=fixed_rate", "train=sgd", "train.milestones=[0.2, 0.6]", "executor=processes", "eval_every='2it'"),
    ],
)
def test_a_run_of_any_kind_is_in_order_and_known(changes: tuple[str, ...], lth: Lth) -> None:
    assert lth("run", *SHORT, *changes, "hydra.run.dir=run").returncode == 0
    verified = lth("verify", "run")
    assert verified.returncode == 0, verified.stdout
    assert "not known" not in verified.stdout


def test_a_run_that_went_on_is_in_order(lth: Lth) -> None:
    """With more rounds; then, being done, only Hydra writes down what was typed."""
    assert lth("run", *SHORT, "rounds=2", "sparsity=fixed_rate", "rewind=late", "hydra.run.dir=run").returncode == 0
    for typed in (("rounds=3",), ("executor=serial",)):
        assert lth("run", "resume=run", *typed).returncode == 0
        verified = lth("verify", "run")
        assert verified.returncode == 0, verified.stdout


def test_a_run_that_was_cut_short_is_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_after(tmp_path, 2, monkeypatch, "rewind=late", "replicates=2")
    assert wrong(tmp_path) == {}


def test_arms_that_diverged_and_a_ticket_that_was_given_are_in_order(
    finished: Callable[..., Path], tmp_path: Path
) -> None:
    ticket = finished() / "tickets" / "seed0.safetensors"
    start(tmp_path / "given", f"ticket={ticket}", "rounds=1", "replicates=2", "pruner=supermask")
    start(tmp_path / "skip", "on_divergence=skip", "replicates=2", "rewind=late")
    assert (wrong(tmp_path / "given"), wrong(tmp_path / "skip")) == ({}, {})


def test_yaml_of_ones_own_is_not_known(lth: Lth, tmp_path: Path) -> None:
    """A file of that name may say anything."""
    (tmp_path / "own" / "rewind").mkdir(parents=True)
    (tmp_path / "own" / "rewind" / "late.yaml").write_text("_target_: lth_cli.rewind.Early\niteration: 0it\n")
    assert lth("run", "--config-dir=own", *SHORT, "rewind=late", "hydra.run.dir=run").returncode == 0
    verified = lth("verify", "run")
    assert verified.returncode == 0, verified.stdout
    assert "YAML that is not lth's own" in verified.stdout


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("1e-3", 0.001), ("3", 3.0), ("'a b'", "a b"), ("null", None), ("yes", True), ("False", False), ("1", True),
        ("[300, 100]", [300, 100]), ("[]", []), ("Device.cpu", "cpu"), ("7", "7"), ("1.50", "1.5"), ("", ""),
        ("true", "True"), ("007", 7),
    ],
)  # fmt: skip
def test_the_text_of_an_override_stands_for_a_value(text: str, there: object) -> None:
    assert overrides.means(text, there)


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("1e-3", 0.002),
        ("3", 4),
        ("a", "b"),
        ("null", 0),
        ("x.safetensors", None),
        ("no", True),
        ("[1]", [1, 2]),
        ("1", [1]),
    ],
)
def test_it_does_not_stand_for_another(text: str, there: object) -> None:
    assert not overrides.means(text, there)


def test_what_only_hydra_computes_is_left_to_it() -> None:
    words = [
        "-m",
        "hydra.run.dir=x",
        "seed=0,1",
        "output=${x}",
        "a.b=1",
        "a={c:2}",
        "~d",
        "d.e=3",
        "+f=4",
        "model=conv4",
    ]
    said = overrides.parse(words)
    assert (dict(said.plain()), said.groups) == ({"f": "4"}, {"model": "conv4"})


def test_a_control_of_few_weights_may_be_another_by_chance(run: Path) -> None:
    """All but a few of them are kept, or pruned."""
    name = "rounds/03/random_mask_seed0.safetensors"
    change(name, "mask/fc1.weight", torch.ones_like)(run)
    change(name, "mask/output.weight", torch.ones_like)(run)
    shutil.copy(run / name, run / "rounds/03/invert_seed0.safetensors")
    believed(run)
    assert "copies" not in wrong(run)
