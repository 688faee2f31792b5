"""What `lth run` does before and after the work: lines, sweeps, folders of YAML, and what a call leaves behind."""

import importlib
import json
import os
import pkgutil
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import hydra
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException
from omegaconf import OmegaConf

import lth_cli.command
from lth_cli.cli import main
from lth_cli.command import overrides, resume
from lth_cli.command.bombs import refuse_bombs
from lth_cli.command.check import checked
from lth_cli.command.compose import Composer, without
from lth_cli.command.explain import explain
from lth_cli.command.job import task
from lth_cli.command.line import parse, refuse_long
from lth_cli.command.paths import plain_paths
from lth_cli.setup.conf import conf_dir
from lth_cli.setup.schema import ConfigError
from tests.command import Lth

CHOICES = [
    "", "model=conv4", "rewind=late", "sparsity=densities", "sparsity=fixed_rate", "controls=[]", "controls=[shuffle]",
    "controls=[random_mask,smart_ratio]", "+experiment=conv4_digits", "~hydra/help", "train@pruner=sgd",
]  # fmt: skip
VALUES = [
    "seed=3", "rounds=4", "rounds=${lth.rounds:${ticket},7}", "rounds=${lth.length:[1,2]}", "ticket='a b'",
    "+pruner.rates={fc*:0.5}", "++pruner.rates={conv:2}", "~pruner.rates.conv", "~pruner.rates.fc=1.0",
    "~pruner.rates.conv=2", "train={lr:0.3,gamma:0.2}", "train.milestones=[0.1,0.2]", "output='${eval_every}/x'",
    "model.hidden=[7]", "+model.depth=3", "++rewind.fraction=0.5", "controls_at=[1,2]", "sparsity.target=0.5",
    "seed=abc", "nothing=1", "+seed=4", "train.lrr=1", "hydra.job.name=x", "sparsity={target:0.3}",
    "eval_every=${init}",
]  # fmt: skip


def outcome(compose: Any, *arguments: Any) -> str:
    """A config, resolved where it can be and as it is; or the error of composing it."""
    try:
        config = compose(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error} {error.__cause__}"
    return OmegaConf.to_yaml(config) + outcome(OmegaConf.to_yaml, config, True)


def test_jobs_are_composed_as_hydra_does() -> None:
    draw = random.Random(0)
    jobs = [list(filter(None, (draw.choice(CHOICES), *draw.sample(VALUES, draw.randrange(4))))) for _ in range(60)] + [
        [value] for value in VALUES
    ]
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composer = Composer("config", None)
        ours = [outcome(lambda job: composer.job(job).config, job) for job in jobs]
        theirs = [outcome(hydra.compose, "config", job) for job in jobs]
    for job, one, other in zip(jobs, ours, theirs, strict=True):
        assert one == other, job
    assert sum("Error" in one.partition(":")[0] or "Exception" in one.partition(":")[0] for one in ours) < len(jobs) / 2


def test_every_job_of_a_sweep_is_checked() -> None:
    with pytest.raises(ConfigError, match=r"^controls_at=281: "):
        checked(parse(["-m", "rounds=280", "controls_at=range(1,300)"]), None)
    seeds = ",".join(map(str, range(300)))
    with pytest.raises(ConfigError, match=r"^seed=299: this sweep has the same job twice"):
        checked(parse(["-m", f"seed={seeds},299"]), None)


def test_what_any_job_of_a_sweep_imports_is_said_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["-m", "seed=range(150)", "model._target_=lth_cli.models.mlp,mine.net"]
    checked(parse(line), None)
    assert capsys.readouterr().err == "lth: model._target_ imports mine.net\n"
    with pytest.raises(ConfigError, match=r"^model._target_=mine.net: safe=true allows only"):
        checked(parse([*line, "safe=true"]), None)
    with pytest.raises(ConfigError, match=r"^hydra.callbacks.x._target_=os.system: safe=true allows only"):
        checked(parse(["-m", "seed=0,1", "safe=true", "+hydra.callbacks.x._target_=os.system"]), None)


def test_of_a_key_that_is_named_twice_the_last_one_counts_as_in_hydra() -> None:
    assert list(overrides.jobs(["seed=0,1", "rounds=1", "seed=3"])) == [["seed=3", "rounds=1"]]
    assert list(overrides.jobs(["seed=range(9000)", "seed=0,1"])) == [["seed=0"], ["seed=1"]]


def test_a_config_dir_and_a_search_path_are_both_searched(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder / "model").mkdir(parents=True)
        (tmp_path / folder / "model" / f"{folder}.yaml").write_text("_target_: lth_cli.models.mlp\nhidden: [7]\n")
    for model in ("one", "two", "one,two"):
        typed = [f"--config-dir={tmp_path / 'one'}", f"hydra.searchpath=[{tmp_path / 'two'}]", f"model={model}"]
        config, _ = checked(parse(["-m", *typed] if "," in model else typed), None)
        assert config.model.hidden == [7]


@pytest.mark.parametrize(
    "line",
    [["rounds=0"], ["seed=1,2"], ["--cfg", "job"], ["-sc", "query=bash"], ["-m", "seed=0", "output=/proc/nope"]],
)
def test_a_call_leaves_the_process_as_it_was(line: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setenv("COMP_LINE", "lth run model=conv4_")
    before, argv = dict(os.environ), list(sys.argv)
    main(["run", *line])
    assert dict(os.environ) == before
    assert sys.argv == argv


def test_no_module_of_the_command_holds_what_one_call_leaves_to_the_next() -> None:
    for found in pkgutil.iter_modules(lth_cli.command.__path__, "lth_cli.command."):
        names = vars(importlib.import_module(found.name))
        mutable = [name for name, value in names.items() if isinstance(value, list | set) and name[:2] != "__"]
        assert mutable == [], found.name


def test_the_task_can_be_sent_to_another_process() -> None:
    assert callable(cloudpickle.loads(cloudpickle.dumps(task(True, []))))


BOMB = "\n".join(
    ["a: &a [1]", *(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True))]
)
REFUSED = "its aliases stand for more than 10,000 values"


@pytest.mark.parametrize(
    "chosen",
    [
        ["model=bomb"],
        ["+model@other='bomb'"],
        ["model=good,bomb"],
        ["model=glob(*)"],
        ["model=first"],
        ["model=composed", "dataset=digits"],
        ["+deep/er/still=bomb"],
        ["model=up"],
    ],
    ids=" ".join,
)
def test_a_bomb_that_may_be_chosen_is_refused(chosen: list[str], tmp_path: Path) -> None:
    folder = yaml_folder(tmp_path)
    with pytest.raises(ConfigError, match=REFUSED):
        refuse_bombs(folder, chosen)


@pytest.mark.parametrize(
    "chosen", [["model=good"], [], ["dataset=bomb"], ["model=up2", "seed=3"], ["still=bomb"]], ids=" ".join
)
def test_a_bomb_that_is_not_chosen_hurts_nobody(chosen: list[str], tmp_path: Path) -> None:
    refuse_bombs(yaml_folder(tmp_path), chosen)


def yaml_folder(path: Path) -> Path:
    files = {
        "model/bomb": BOMB,
        "model/digits_net": BOMB,
        "deep/er/still/bomb": BOMB,
        "model/good": "hidden: [3]",
        "model/first": "defaults: [second]",
        "model/second": 'defaults: ["\\x62omb"]',
        "model/composed": "defaults: ['${dataset}_net']",
        "model/up": "defaults: [/deep/er/still/bomb]",
        "model/up2": "defaults: [good]\nroot: ${output}",
    }
    for name, text in files.items():
        (path / f"{name}.yaml").parent.mkdir(parents=True, exist_ok=True)
        (path / f"{name}.yaml").write_text(text)
    (path / "model" / "model").symlink_to(path / "model")
    (path / "junk.yaml").write_bytes(bytes(range(256)))
    return path


def test_resume_is_taken_off_the_line() -> None:
    line = parse(["-m", "resume=a b=c", "seed=0,1", "++resume=d"])
    assert (line.resume, line.overrides, line.flags) == (["a b=c", "d"], ["seed=0,1"], ["-m"])
    assert "resume" not in "".join(line.portable())


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("ticket=x=1,y=2/t", "ticket='x=1,y=2/t'"),
        ("ticket=x=1,y=2/t,x=1,y=3/t,u", "ticket='x=1,y=2/t','x=1,y=3/t',u"),
        ("ticket=u,v", "ticket=u,v"),
        ("ticket=u,w", "ticket='u,w'"),
        ("ticket=nowhere,u", "ticket=nowhere,u"),
        ("ticket=x=1,y=9/t", "ticket='x=1,y=9/t'"),
        ("ticket='x=1,y=2/t'", "ticket='x=1,y=2/t'"),
        ("++ticket=it's (1)", "++ticket='it\\'s (1)'"),
        ("ticket=7", "ticket='7'"),
        ("ticket=null", "ticket=null"),
        ("ticket=glob(*)", "ticket=glob(*)"),
        ("output=~/größe=1", "output='~/größe=1'"),
        ("output=${oc.env:HOME}/x", "output=${oc.env:HOME}/x"),
        ("dataset.root=x=1,y=2", "dataset.root='x=1,y=2'"),
        ("seed=x=1", "seed=x=1"),
    ],
)
def test_a_path_is_typed_as_it_is(typed: str, read: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x=1,y=2/t", "x=1,y=3/t", "u", "v", "u,w", "it's (1)", "7"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert plain_paths([typed]) == [read]
    assert plain_paths([read]) == [read]


def test_resume_in_yaml_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nresume: somewhere\n")
    assert main(["run", f"--config-dir={tmp_path}", "+experiment=mine"]) == 2
    assert capsys.readouterr().err.startswith("lth: resume=somewhere: to go on is asked for on the command line")


def test_a_sweep_that_was_there_before_is_not_removed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also where none of its jobs can start."""
    record = {"format": 1, "command": "lth run -m model=lenet5 seed=0,1", "started": ""}
    (tmp_path / "sweep.json").write_text(json.dumps(record))
    assert main(["run", f"resume={tmp_path}"]) == 2
    said = capfd.readouterr().out
    assert said.splitlines()[-1] == f"2 failed in {tmp_path}"
    assert (tmp_path / "sweep.json").exists()
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"seed=0", "seed=1"}
    assert "resume" not in (tmp_path / "seed=0" / ".hydra" / "overrides.yaml").read_text()


def test_a_number_that_python_does_not_read_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    for line in (["-m", f"seed={'9' * 5000}"], [f"sparsity={'9' * 5000}"]):
        assert main(["run", *line]) == 2
        assert capsys.readouterr().err.startswith(f"lth: {line[-1][:100]}")


def test_an_option_that_is_missing_is_explained_by_what_the_error_holds() -> None:
    error = MissingConfigException("in other words", "model/covn4", ["conv4", "mine"])
    said = "model=covn4: there is no such option; did you mean conv4?\n     available: conv4, mine"
    assert explain(error, []) == said


@pytest.mark.parametrize("values", [",".join(map(str, range(10_000))), "range(10000)"])
def test_the_longest_sweep_that_begins_can_go_on(values: str, tmp_path: Path) -> None:
    line = parse(["-m", f"seed={values}", "controls=[random_mask,invert]"])
    refuse_long(line)
    resume.record_sweep(tmp_path, line.portable(), 10_000, [])
    assert resume.command(tmp_path) == (line.portable(), True)


@pytest.mark.parametrize("change", [f"output={'x' * 140_000}", f"model.hidden=[{'1,' * 4_500}1]"])
def test_what_could_not_go_on_does_not_begin(change: str, lth: Lth, tmp_path: Path) -> None:
    done = lth("run", change)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert done.stderr.startswith("lth: no command that could go on: one ")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("value", ["a=b", "$(touch x)=b", "`touch x`=b", "$HOME=!1", "it's=b", 'say "it"=b', "a=b\\"])
def test_what_is_suggested_can_be_typed_as_it_is(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A shell expands nothing in it, and Hydra reads the value that was meant."""
    assert main(["run", f"init={value}"]) == 2
    first, example = capsys.readouterr().err.splitlines()
    assert first == f"lth: init={value}: cannot be read: special characters need quotes, within the shell's:"
    shell = subprocess.run(["bash", "-c", f"printf %s {example.strip()}"], capture_output=True, text=True)
    assert OverridesParser.create().parse_override(shell.stdout).value() == value
    assert shell.stderr == ""


def test_what_is_too_long_to_be_shown_whole_is_not_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", f"init=a={'b' * 400}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("special characters need quotes, within the shell's")


def test_a_config_without_some_of_its_keys() -> None:
    assert without(OmegaConf.create({"a": 1, "b": {"c": "${a}"}}), "a") == {"b": {"c": "${a}"}}


def test_a_plus_too_many_is_said(lth: Lth) -> None:
    refused = lth("run", "+pruner.rates.output=0")
    words = "lth: pruner.rates.output: there is such a key already; to change it, leave out the +\n"
    assert (refused.returncode, refused.stderr) == (2, words)
