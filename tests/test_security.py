"""Nothing that reads a run executes anything from it, and what a config will import is said, or refused."""

import ast
import json
import os
import pickle
import re
import shlex
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image, UnidentifiedImageError

import lth_cli
from lth_cli.command.compose import Composer, split
from lth_cli.command.foreign import foreign, known, resolved_targets, targets
from lth_cli.command.job import settled
from lth_cli.datasets import image_folder
from lth_cli.report.collected import collect
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.manifest import Manifest
from lth_cli.rundir.read import Damaged, read
from lth_cli.setup.conf import conf_dir, options
from lth_cli.setup.schema import ConfigError
from tests.command import Lth, only_run
from tests.interrupted import SHORT, results, start
from tests.lies import believed

SOURCES = sorted(Path(lth_cli.__file__).parent.rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "zipfile", "tarfile"}
CALLS = {
    "torch.load", "torch.save", "np.load", "numpy.load", "np.save", "pd.read_pickle", "yaml.unsafe_load",
    "yaml.full_load", "os.system", "os.popen", "eval", "exec", "__import__", "torch.jit.load",
}  # fmt: skip


def dangers(source: str) -> Iterator[str]:
    """Imports and calls by which reading a file may run it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in MODULES:
            yield node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
            yield ast.unparse(node.func)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "yaml.load":
            if ast.unparse(node.args[1]) not in (
                "_Plain",
                "yaml.SafeLoader",
                "_Plain if _FOREIGN.search(text) else _Fast",
            ):
                yield "yaml.load"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            yield "allow_pickle"


def test_no_source_reads_or_writes_a_pickle() -> None:
    assert len(SOURCES) > 50
    assert {str(file): found for file in SOURCES if (found := list(dangers(file.read_text())))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(f)",
        "np.load(f, allow_pickle=True)",
        "yaml.load(f, Loader)",
    ],
)
def test_the_scan_finds_what_it_looks_for(source: str) -> None:
    assert list(dangers(source))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch made",)


def zip_bomb(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(50_000_000))
    data = (folder / "bomb.zip").read_bytes()
    (folder / "bomb.zip").unlink()
    return data


def header(document: object, length: int | None = None) -> bytes:
    text = json.dumps(document).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text


PLANTED = {
    "pickle": pickle.dumps(Bomb()),
    "endless header": header({}, 2**63),
    "long header": header({}, 10**8),
    "absurd shape": header({"mask/fc1.weight": {"dtype": "BOOL", "shape": [2**40], "data_offsets": [0, 2**40]}}),
    "other tensors": header({"../../x": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
    "yaml": b"!!python/object/apply:os.system ['touch made']\n",
    "deep": b"[" * 100_000,
    "empty": b"",
}
READ = [
    "run.json", "config.yaml", "history.csv", "layers.csv", "curves.csv", "manifest.json",
    "rounds/01/winning_seed0.safetensors", "rounds/00/rewind_seed0.safetensors", "tickets/seed0.safetensors",
]  # fmt: skip


@pytest.fixture
def run(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return run.relative_to(tmp_path)


def outcome(call: Callable[[], object]) -> object:
    """What a call gives, of checks only those that failed; or the short text with which it refuses."""
    try:
        given = call()
    except Damaged as damaged:
        return str(damaged)[:200] if len(str(damaged)) < 300 else pytest.fail(f"a long text: {damaged}")
    return [check for check in given if check.wrong] if isinstance(given, list) else given


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("what", [*PLANTED, "zip bomb"])
def test_what_is_planted_is_refused_and_never_run(
    what: str, name: str, run: Path, finished: Callable[..., Path]
) -> None:
    """Under hashes that believe in it, as whoever plants it would leave them."""
    (run / name).write_bytes(PLANTED[what] if what in PLANTED else zip_bomb(run))
    if name != "manifest.json":
        believed(run)
    done, skipped = collect([Path("run")])
    assert len(done) + len(skipped) == 1
    assert outcome(lambda: verify(run)) != []
    if outcome(lambda: start(run, resume=True)) is None:
        assert results(run) == results(finished())  # what was planted was written anew, or never looked at
    assert sorted(path.name for path in Path().iterdir()) == ["run"]


@pytest.mark.parametrize(
    "name", ["../x.safetensors", "/etc/passwd", "rounds/01/../../../x.safetensors", "rounds/00/a\n"]
)
def test_names_that_lead_out_of_a_run_are_refused(name: str, run: Path) -> None:
    document = json.loads((run / "manifest.json").read_text())
    document["files"][name] = "0" * 64
    (run / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(Damaged, match="is no file of a run"):
        Manifest.load(run)
    with pytest.raises(Damaged, match="is no file of a run"):
        reopen(run)
    (run / "history.csv").write_text((run / "history.csv").read_text().replace("winning", "../../x"))
    with pytest.raises(Damaged, match="arm is"):
        read(run)


def test_a_link_in_a_run_is_not_followed(run: Path, tmp_path: Path) -> None:
    file = run / "rounds" / "01" / "winning_seed0.safetensors"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    assert reopen(run).rounds == 1


def command(run: Path, words: str) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "command": words}))


ABSENT = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
MASKED = {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}


def ticket(metadata: object = None, **tensors: object) -> bytes:
    """A ticket of few bytes; `__` stands for the slash."""
    named = {name.replace("__", "/"): tensor for name, tensor in tensors.items()}
    return header({"__metadata__": {"ticket": json.dumps(metadata or {})}, "weights/a": ABSENT, **named}) + b"\1"


@pytest.mark.parametrize(
    "data",
    [
        header({"__metadata__": None, "weights/a": ABSENT}),
        ticket(weights__b={**ABSENT, "shape": [2**63, 0]}),
        ticket(mask__a=MASKED),
        ticket(mask__b=MASKED),
        ticket(mask__a=ABSENT),
        ticket(pruned_to__a=ABSENT),
        ticket({"transient": [1]}, weights__1=ABSENT),
        ticket({"tied": {"b": 1}}, weights__1=ABSENT),
        *(ticket(weights__b={**ABSENT, "data_offsets": [0, end]}) for end in ("x", None, [1], 1e999, 0.0, True)),
    ],
)
def test_what_is_no_ticket_is_refused_with_its_name(data: bytes, lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "ticket").write_bytes(data.removesuffix(b"\1") if b'"BOOL"' not in data else data)
    with pytest.raises(ValueError, match="ticket is not a ticket: "):
        lth_cli.Ticket.load(tmp_path / "ticket")
    refused = lth("run", "ticket=ticket")
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (2, "", 1)
    assert refused.stderr.startswith("lth: ticket=ticket: ticket is not a ticket: ")


class Listed(list[str]):
    """Names that are not searched one by one: of many, for each of many tensors, that would take minutes."""

    def __contains__(self, name: object) -> bool:
        raise AssertionError(f"{name} is searched")


def test_a_ticket_may_have_many_names(tmp_path: Path) -> None:
    many: dict[str, object] = {f"weights__{i}": ABSENT for i in range(5_000)}
    (tmp_path / "ticket").write_bytes(ticket({"transient": ["a"] * 300_000}, **many).removesuffix(b"\1"))
    loaded = lth_cli.Ticket.load(tmp_path / "ticket")
    listed = replace(loaded, metadata={"transient": Listed(loaded.metadata["transient"])})
    assert listed.state_dict().keys() == {str(i) for i in range(5_000)}


@pytest.mark.parametrize(
    ("kind", "words"),
    [(torch.float64, "fc1.weight is torch.float64 there, and torch.float32 here"), (None, "not finite")],
)
def test_a_ticket_that_cannot_be_trained_is_refused(
    kind: torch.dtype | None, words: str, finished: Callable[..., Path], lth: Lth, tmp_path: Path
) -> None:
    ticket = lth_cli.Ticket.load(finished() / "tickets" / "seed0.safetensors")
    weight = ticket.weights["fc1.weight"]
    other = weight * torch.nan if kind is None else weight.to(kind)
    replace(ticket, weights={**ticket.weights, "fc1.weight": other}).save(tmp_path / "ticket")
    refused = lth("run", "ticket=ticket", "model.hidden=[8]")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("lth: ticket=ticket: ")
    assert words in refused.stderr


REFUSED = (
    r"safe=true allows only what lth's own conf/ names|recorded there|the name of an option|hydra.mode=RUN or|"
    "not that of one"
)


@pytest.mark.parametrize(
    "words",
    [
        "lth run model._target_=os.system",
        "lth run model._target_=lth_cli.core.files.os.system",
        "lth run +hydra.callbacks.x._target_=os.system",
        "lth run hydra.launcher._target_=os.system",
        "lth run +hydra.job_logging.handlers.x.class=os.system",
        "lth run hydra.searchpath=[pkg://os]",
        "lth run 'hydra.job_logging.root.level=\"ext://evil.x\"'",
        "lth run 'model.hidden=[\"ext://evil.x\"]'",
        "lth run '+model.extra=\"ext://evil.x\"'",
        shlex.join(["lth", "run", "+model.extra='${oc.create:\"{_target_: evil.x}\"}'"]),
        "lth run --config-dir=own model=evil",
        "lth run --config-dir=own --config-name=evil",
        "lth run --config-path=pkg://evil --cfg=job",
        "lth run --info=all hydra.searchpath=[pkg://evil]",
        "lth run hydra.output_subdir=../victim",
        "lth run -m hydra.sweep.subdir=../../x seed=0,1",
        "lth run +hydra.job.env_set.PYTHONPATH=own",
        "lth run +model@hydra.x=lenet5",
        shlex.join(["lth", "run", "+model.extra='\\${oc.create:{_target_:evil.x}}'"]),
        shlex.join(["lth", "run", "model._target_='${oc.select:model.${now:%S}}'"]),
        shlex.join(["lth", "run", "output='${oc.env:HOME}'"]),
        "lth run model=../../own/model/evil",
        "lth run 'controls=[../../own/model/evil]'",
        "lth run hydra.mode=MULTIRUN hydra.run.dir=victim hydra.mode=RUN",
        r"lth run 'output=$\{oc.env:HOME\}'",
        "lth run +dataset@_global_._global_.hydra.callbacks.x=digits",
        "lth run hydra.mode=2 hydra.sweep.dir=victim",
        "lth run '--config-dir=own\n'",
        "lth run '+dataset.foo={_target_:lth_cli.datasets.mnist}'",
        "lth run '+model.x=[{_target_:lth_cli.datasets.mnist}]'",
        "lth run rewind._target_=lth_cli.datasets.mnist '~rewind.iteration'",
        "lth run '+controls.a.b={_target_:lth_cli.controls.Invert}'",
        "lth run '+controls.a={_target_:lth_cli.datasets.mnist}'",
        "lth run pruner.score._target_=lth_cli.models.mlp",
        "lth run model._target_=lth_cli.report.terminal.Log",
        "lth run +dataset@model.x=mnist",
    ],
)
def test_a_safe_resume_imports_nothing_but_lth(words: str, run: Path, lth: Lth) -> None:
    folder = run.absolute().parent
    (folder / "evil.py").write_text("import pathlib\npathlib.Path('made').touch()\nx = dict\n")
    (folder / "own" / "model").mkdir(parents=True)
    (folder / "own" / "model" / "evil.yaml").write_text("_target_: lth_cli.models.mlp\nhidden: [3]\n")
    (folder / "own" / "evil.yaml").write_text("defaults: [config]\nhydra: {searchpath: ['pkg://evil']}\n")
    command(run, words)
    before = sorted(folder.rglob("*"))
    done = lth("run", "resume=run", "safe=true")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(REFUSED, done.stderr), done.stderr
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("record", ["run.json", ".hydra/overrides.yaml"])
@pytest.mark.parametrize(
    "long", ["x" * 200_000, "[" + "1," * 10_000 + "1]", "{" + "a:1," * 5_000 + "b:1}", "choice(" + "1," * 20_000 + "1)"]
)
def test_a_command_that_takes_minutes_to_read_is_refused(long: str, record: str, run: Path, lth: Lth) -> None:
    if record == "run.json":
        command(run, f"lth run +x={long}")
    else:
        (run / "run.json").unlink()
        (run / ".hydra").mkdir()
        (run / record).write_text(f"- +x={long}\n")
    done = lth("run", "resume=run", "safe=true")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"run\.json: (no command: one (of|with) |missing)", done.stderr), done.stderr


@pytest.mark.parametrize("record", ["run.json", ".hydra/overrides.yaml"])
def test_so_is_one_of_thousands_of_overrides(record: str, run: Path, lth: Lth) -> None:
    if record == "run.json":
        command(run, f"lth run {'+a=1 ' * 499}")
    else:
        (run / "run.json").unlink()
        (run / ".hydra").mkdir()
        (run / record).write_text("- +a=1\n" * 501)
    done = lth("run", "resume=run", "safe=true")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"run\.json: (no command: one of 501 words; at most 500 are read|missing)", done.stderr)


@pytest.mark.parametrize("words", [["lth", "run"], {"lth": "run"}, 3, None])
def test_a_command_that_is_no_text_is_none(words: object, run: Path, lth: Lth) -> None:
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "command": words}))
    refused = lth("run", f"resume={run}")
    assert (refused.returncode, refused.stderr) == (2, f"lth: {run}/run.json: no command: no text\n")


def test_a_safe_resume_resolves_nothing_that_only_the_record_asks_for(run: Path, lth: Lth) -> None:
    """Thirty doublings of a text fill the memory, and the environment holds secrets."""
    doubled = [f"+model.a{i}=${{.a{i - 1}}}${{.a{i - 1}}}" for i in range(1, 30)]
    for words in (["+model.a0=aaaaaaaa", *doubled], ["+model.extra=${oc.env:HOME}"]):
        command(run, shlex.join(["lth", "run", *words]))
        done = lth("run", "resume=run", "safe=true")
        assert (done.returncode, done.stdout) == (2, "")
        assert "is recorded there; under safe=true type it again" in done.stderr


@pytest.mark.parametrize(
    "word",
    [
        "dataset.root=elsewhere",
        "++dataset.root=elsewhere",
        "dataset={_target_:lth_cli.datasets.digits,root:elsewhere}",
        "dataset.download=true",
        "dataset.debian=elsewhere",
        "ticket=elsewhere/ticket",
        "+dataset.foo={_target_:lth_cli.datasets.image_folder,root:elsewhere}",
        "+dataset.foo=[[{a:{root:elsewhere}}]]",
        "+dataset._args_=[elsewhere]",
        "+dataset={_args_:[elsewhere]}",
        "dataset={root:elsewhere},{root:elsewhere}",
        "+rewind.root=elsewhere",
        "+model.x={_target_:lth_cli.datasets.mnist,download:true}",
    ],
)
def test_a_safe_resume_reads_and_downloads_nothing_that_only_the_record_names(word: str, run: Path, lth: Lth) -> None:
    command(run, shlex.join(["lth", "run", "dataset=mnist", word]))
    before = sorted(run.parent.rglob("*"))
    done = lth("run", "resume=run", "safe=true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("is recorded there; under safe=true type it again\n")
    assert sorted(run.parent.rglob("*")) == before
    typed = lth("run", "resume=run", "safe=true", word)
    assert "type it again" not in typed.stderr
    command(run, shlex.join(["lth", "run", *SHORT, "ticket=null"]))
    assert lth("run", "resume=run", "safe=true").returncode == 0


@pytest.mark.parametrize("group", [group for group in options() if group not in ("experiment", "train")])
def test_each_choice_of_lths_own_is_safe_where_it_stands_and_nowhere_else(group: str) -> None:
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        composer = Composer("config", None)
        for option in options()[group]:
            chosen = f"controls=[{option}]" if group == "controls" else f"{group}={option}"
            config = OmegaConf.to_container(split(composer.whole([chosen])).config)
            named = {key: target for key, target in targets(config).items() if key.endswith("_target_")}
            assert any(key.startswith(group) for key in named)
            assert foreign(named, safe=True) == {}
            for key, target in named.items():
                for place in (f"x.{key}", f"model.{key}", f"dataset.x.{key}", "/home._target_"):
                    with pytest.raises(ConfigError, match="names there"):
                        foreign({place: target}, safe=True)


@pytest.mark.parametrize("flag", ["--version", "--vers", "--help", "-h", "--hydra-help", "--shell-completion"])
def test_a_recorded_option_that_only_prints_is_refused(flag: str, run: Path, lth: Lth) -> None:
    command(run, f"lth run {flag}")
    done = lth("run", "resume=run", "safe=true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"lth: {flag} is recorded there, and no option of a run\n"


def test_a_run_does_not_become_a_sweep_nor_a_sweep_a_run(run: Path, lth: Lth) -> None:
    command(run, "lth run rounds=1 hydra.mode=MULTIRUN")
    before = sorted(run.rglob("*"))
    done = lth("run", "resume=run", "safe=true")
    assert (done.returncode, done.stderr) == (2, "lth: resume=run: a run, but its command is not that of one\n")
    assert sorted(run.rglob("*")) == before
    (run / "sweep.json").write_text('{"format": 1, "command": "lth run rounds=1"}')
    done = lth("run", "resume=run", "safe=true")
    assert (done.returncode, done.stderr) == (2, "lth: resume=run: a sweep, but its command is not that of one\n")


def test_a_safe_run_lets_git_run_nothing(lth: Lth, tmp_path: Path) -> None:
    """To look for changes, git runs what the repository's own configuration names."""
    (tmp_path / "evil").write_text("#!/bin/sh\ntouch made\n")
    (tmp_path / "evil").chmod(0o755)
    for line in (
        "init -q",
        "-c user.email=a -c user.name=a commit -q --allow-empty -m x",
        "config core.fsmonitor ./evil",
    ):
        subprocess.run(["git", *line.split()], cwd=tmp_path, check=True)
    done = lth("run", "rounds=1", "controls=[]", "train.iterations=1it", "safe=true")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "made").exists()
    git = json.loads((only_run(tmp_path) / "run.json").read_text())["git"]
    assert (len(git["commit"]), git["dirty"]) == (40, None)


@pytest.mark.parametrize("words", ["rm -rf x", "lth compare", "lth run 'unclosed", "lth run --experimental-rerun x", 7])
def test_a_command_that_is_not_lth_run_is_refused(words: str, run: Path, lth: Lth) -> None:
    command(run, words)
    done = lth("run", "resume=run")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) <= 2


def test_what_a_config_imports_is_said(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("_target_: mine.net\n")
    done = lth("run", "--config-dir=conf", "model=mine")
    assert done.returncode == 2
    assert done.stderr.startswith("lth: model._target_ imports mine.net\n")
    refused = lth("run", "--config-dir=conf", "model=mine", "safe=true")
    assert refused.stderr == "lth: model._target_=mine.net: safe=true allows only what lth's own conf/ names there\n"
    assert "lth_cli.models.conv" in known()
    assert "os.system" not in known()


IMPORTING = [
    "hydra.job_logging.root.level='ext://evil.x'",
    "hydra.job_logging.root.level='${output}'",
    "+hydra.callbacks.x='${oc.create:\"{_target_: evil.x}\"}'",
    "+model.extra='${oc.create:\"{_target_: evil.x}\"}'",
    "+model.extra=[' ext://evil.x']",
]


@pytest.mark.parametrize("override", IMPORTING)
@pytest.mark.parametrize("sweep", [[], ["-m", "seed=0,1"]])
def test_what_makes_something_import_is_refused_or_said_whatever_its_key(
    sweep: list[str], override: str, lth: Lth, tmp_path: Path
) -> None:
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path('made').touch()\n")
    refused = lth("run", *sweep, override, "safe=true")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "safe=true allows only what lth's own conf/ names" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["evil.py"]
    key = override.lstrip("+").partition("=")[0]
    assert lth("run", *sweep, override, "rounds=1", "train.iterations=1it").stderr.startswith(f"lth: {key}")


@pytest.mark.parametrize("override", ["hydra.output_subdir=../x", "+hydra.job.env_set.A=b", "hydra.job.chdir=true"])
def test_a_safe_run_keeps_to_its_folder_and_environment(override: str, lth: Lth, tmp_path: Path) -> None:
    refused = lth("run", override, "safe=true")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "safe=true keeps to the folder and the environment of the run" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_packages_are_not_searched_for_a_file_of_yaml(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path('made').touch()\n")
    (tmp_path / "own").mkdir()
    for text in (
        "{searchpath: ['pkg://evil']}",
        "{searchpath: ['${oc.env:WHERE}']}",
        "'${oc.create:${oc.decode:\"{searchpath: [pkg://evil]}\"}}'",
    ):
        (tmp_path / "own" / "mine.yaml").write_text(f"defaults: [config]\nhydra: {text}\n")
        for more in ("rounds=1", "--cfg=job", "--info=all", "--help"):
            refused = lth("run", "--config-dir=own", "--config-name=mine", more, WHERE="pkg://evil")
            assert (refused.returncode, refused.stdout) == (2, "")
            assert "a package is imported when it is searched" in refused.stderr
    assert not (tmp_path / "made").exists()


def test_help_says_what_it_imports(lth: Lth, tmp_path: Path) -> None:
    """Hydra sets up logging for it."""
    (tmp_path / "evil.py").write_text("x = 'INFO'\n")
    level = "+hydra.hydra_logging.root.level='ext://evil.x'"
    assert "lth: hydra.hydra_logging.root.level imports ext://evil.x" in lth("run", level, "--help").stderr
    refused = lth("run", level, "--help", "safe=true")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_options_that_a_glob_stands_for_are_checked(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path('made').touch()\n")
    (tmp_path / "own" / "model").mkdir(parents=True)
    for name in ("mine_a", "mine_b"):
        (tmp_path / "own" / "model" / f"{name}.yaml").write_text("_target_: evil.net\n")
    refused = lth("run", "-m", "--config-dir=own", "model=glob(mine_*)", "safe=true")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert re.search(REFUSED, refused.stderr)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "said",
    [
        "callbacks: {x: {_target_: evil.x}}",
        "hydra_logging: {root: {level: 'ext://evil.x'}}",
        "launcher: {_target_: evil.x}",
        "sweeper: {params: {hydra.job_logging.root.level: '\"ext://evil.x\"'}}",
        "output_subdir: ../x",
    ],
)
def test_a_sweep_itself_is_checked_beside_its_jobs(said: str, lth: Lth, tmp_path: Path) -> None:
    """Its own config has the default of what is swept, which no job has."""
    (tmp_path / "evil.py").write_text("import pathlib\npathlib.Path('made').touch()\n")
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "mine.yaml").write_text("defaults: [config, {override model: evil}, _self_]\n")
    model = f"# @package _global_\nhydra: {{{said}}}\nmodel: {{_target_: lth_cli.models.lenet5}}\n"
    (tmp_path / "own" / "model" / "evil.yaml").write_text(model)
    typed = ("--config-dir=own", "--config-name=mine", "model=lenet_300_100,lenet5", "safe=true")
    refused = lth("run", "-m", *typed)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert re.search(rf"{REFUSED}|said on the command line|keeps to the folder", refused.stderr), refused.stderr
    assert not (tmp_path / "made").exists()


def test_what_a_resolver_gives_later_is_checked_again(capsys: pytest.CaptureFixture[str]) -> None:
    """The time is another one when the job begins."""
    said = iter(("lth_cli.models.lenet5", "evil.net", "evil.net"))
    OmegaConf.register_new_resolver("test.next", lambda: next(said), replace=True)
    config = OmegaConf.create({"model": {"_target_": "${test.next:}"}, "safe": True})
    assert foreign(resolved_targets(config), safe=True) == {}
    with pytest.raises(ConfigError, match="safe=true allows only"):
        settled(config, set())
    config.safe = False
    assert OmegaConf.to_container(settled(config, set())) == {"model": {"_target_": "evil.net"}, "safe": False}
    assert capsys.readouterr().err == "lth: model._target_ imports evil.net\n"


@pytest.mark.parametrize("text", ["../model/lenet5", "'${oc.env:WHERE}'"])
def test_a_config_chooses_no_file_out_of_its_folder(text: str, lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text(f"defaults: [config, {text}]\n")
    refused = lth("run", "--config-dir=own", "--config-name=mine", WHERE="../x")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "not a file below the folder of configs" in refused.stderr
    refused = lth("run", "--config-dir=own", "--config-name=../own/mine")
    assert "the name of a file" in refused.stderr


def test_a_folder_is_the_one_that_is_named(run: Path, lth: Lth, tmp_path: Path) -> None:
    """Hydra takes the name of a folder for a text with variables in it."""
    (tmp_path / "victim").mkdir()
    run.rename(tmp_path / "${oc.env:VICTIM}")
    for arguments in (["resume=${oc.env:VICTIM}"], ["rounds=1", "hydra.run.dir='\\${oc.env:VICTIM}'"]):
        refused = lth("run", *arguments, "safe=true", VICTIM=str(tmp_path / "victim"))
        assert (refused.returncode, refused.stdout) == (2, ""), refused.stderr
    assert not list((tmp_path / "victim").iterdir())


def test_what_is_to_be_typed_again_is_quoted(run: Path, lth: Lth) -> None:
    word = "hydra.job.name='x;evil'"
    command(run, shlex.join(["lth", "run", word]))
    refused = lth("run", "resume=run")
    assert refused.stderr == f"lth: {shlex.quote(word)} is recorded there; type it again if it is yours\n"


def test_a_recorded_word_that_is_too_long_to_show_is_told_by_its_key(run: Path, lth: Lth) -> None:
    """Half of it would be pasted as if it were the whole."""
    long = f"+hydra.callbacks.x=a{'b' * 400}"
    command(run, f"lth run {long}")
    refused = lth("run", f"resume={run}")
    said = f"lth: +hydra.callbacks.x, of {len(long)} characters, is recorded there; type it again if it is yours\n"
    assert refused.stderr == said
    fits = f"+hydra.callbacks.x=a{'b' * 140}"
    command(run, f"lth run {fits}")
    assert lth("run", f"resume={run}").stderr == f"lth: {fits} is recorded there; type it again if it is yours\n"


def test_what_is_typed_again_goes_on(lth: Lth, tmp_path: Path) -> None:
    """What a record may not ask of Hydra, its owner may."""
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "mine.yaml").write_text("_target_: lth_cli.models.mlp\nhidden: [3]\n")
    short = ("model=mine", "rounds=1", "sparsity=0.5", "train.iterations=1it", "controls=[]", "eval_every=1it")
    subdir = "hydra.sweep.subdir=x${hydra.job.num}"
    began = lth("run", "-m", "--config-dir=own", *short, "seed=0,1", subdir)
    assert began.returncode == 0, began.stdout
    (sweep,) = (path for day in (tmp_path / "outputs").iterdir() for path in day.iterdir())
    for typed, words in (((), subdir), ((subdir, "safe=true"), "--config-dir")):
        refused = lth("run", f"resume={sweep}", *typed)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert words in refused.stderr
        assert "type it again" in refused.stderr
    resumed = lth("run", f"resume={sweep}", subdir, "--config-dir=own", "safe=true")
    assert (resumed.returncode, resumed.stderr) == (0, "")


def test_git_runs_nothing_for_a_safe_run(lth: Lth, tmp_path: Path) -> None:
    """The settings of a repository name programs; a run that somebody hands over may be one."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "tracked").touch()
    subprocess.run(["git", "-C", str(tmp_path), "add", "tracked"], check=True)
    with open(tmp_path / ".git" / "config", "a") as file:
        file.write('[core]\n\tfsmonitor = touch made; false\n[filter "x"]\n\tclean = touch made; cat\n')
    (tmp_path / ".gitattributes").write_text("* filter=x\n")
    (tmp_path / "tracked").write_text("changed")
    done = lth("run", "rounds=1", "controls=[]", "train.iterations=1it", "safe=true")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((only_run(tmp_path) / "run.json").read_text())["git"] is None
    assert not (tmp_path / "made").exists()


def test_nothing_is_read_or_imported_from_where_we_are(run: Path, tmp_path: Path) -> None:
    """Neither settings of matplotlib, which may have LaTeX run, nor modules, by a worker."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")
    for name in ("joblib", "pickle", "multiprocessing", "torch"):
        (tmp_path / f"{name}.py").write_text("open('made', 'w')\n")
    sweep = ["-m", "hydra/launcher=joblib", "seed=0,1", "rounds=1", "controls=[]", "train.iterations=1it", "safe=true"]
    for arguments in (["compare", "run", "--plot", "x.png"], ["run", *sweep]):
        command = [sys.executable, "-P", "-m", "lth_cli", *arguments]  # as the script `lth`
        path = str(Path(lth_cli.__file__).parent.parent)
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "made").exists()


def test_an_image_is_of_the_format_that_its_name_says(tmp_path: Path) -> None:
    """For EPS, Pillow starts Ghostscript."""
    for part in ("train", "val"):
        (tmp_path / part / "a").mkdir(parents=True)
        for name in ("x", "y"):
            Image.new("RGB", (8, 8)).save(tmp_path / part / "a" / f"{name}.jpg", "EPS")
    data = image_folder(str(tmp_path), size=8, mean=[0, 0, 0], deviation=[1, 1, 1], val_size=1, workers=0)
    with pytest.raises(UnidentifiedImageError):
        data.train.take(torch.tensor([0]))


def test_a_text_that_becomes_an_interpolation_is_refused_as_what_may_import() -> None:
    """In pieces that only make one together, once they are resolved."""
    config = OmegaConf.create(
        {"safe": True, "a": "$", "b": "{oc.env:HOME}", "model": {"_target_": "${a}${b}"}, "resume": None}
    )
    with pytest.raises(ConfigError, match="safe=true allows only"):
        settled(config, set())


def test_no_name_makes_a_line_of_its_own(lth: Lth, tmp_path: Path) -> None:
    name = "a\n1 of 1 run is in order"
    (tmp_path / name).mkdir()
    for line in (("verify", name), ("compare", name)):
        assert not any(text.startswith("1 of 1") for text in lth(*line).stderr.splitlines())
