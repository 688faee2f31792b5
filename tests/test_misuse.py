"""What users get wrong and what goes wrong under them: messages, exit codes, and nothing lost."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.command import Lth, history, only_run

WRONG = [
    (("run", "modle=conv4"), "modle: there is no such key; did you mean model?"),
    (("run", "train.lrr=3"), "train.lrr: there is no such key; did you mean train.lr?"),
    (("run", "--multirum"), "--multirum: there is no such option; did you mean --multirun?"),
    (("run", "--experimental-rerun", "x"), "--experimental-rerun: there is no such option"),
    (("run", "sparsity=1.5"), "sparsity=1.5: the fraction of weights removed, in [0, 1)"),
    (("run", "sparsity=abc"), "a number in [0, 1), the fraction of weights removed"),
    (("run", "sparsity=0.5,0.9"), "several values are a sweep and need -m"),
    (("run", "rounds=0"), "rounds=0: a whole number from 1 to 1000"),
    (("run", "rounds=abc"), "rounds=abc: a whole number from 1 to 1000"),
    (("run", "seed=null"), "seed=null: a whole number from 0"),
    (("run", "+foo=1"), "foo: there is no such key"),
    (("run", "+="), "lth: +=: overrides are written key=value"),
    (("run", "+train.foo=1"), "train.foo: there is no such key"),
    (("run", "~model"), "~model: a run needs every key of the config"),
    (
        ("run", "rewind=none", "rewind.iteration=3"),
        "\n     keys of rewind: _target_",
    ),
    (("run", "rewind.iteration=abc"), "rewind=init (iteration=abc): iteration=abc: a length like"),
    (("run", "rewind.iteration=null"), "an iteration, as 100, 100it or 1ep"),
    (("run", "rewind.iteration=true"), "an iteration, as 100, 100it or 1ep"),
    (("run", "model._target_=builtins.dict"), "_target_ makes a dict, no model"),
    (("run", "model=conv4", "model.blocks=[]"), "blocks: at least one"),
    (("run", "sparsity=fixed_rate", "pruner.scope=global", "model=conv2"), "need pruner.scope=layerwise"),
    (("run", "sparsity=densities", "sparsity.densities=0.5"), "sparsity.densities=0.5: a list"),
    (("run", "train.momentum=0.9"), "only train=sgd has momentum"),
    (("run", "pruner.score._target_=lth_cli.nope"), "score=magnitude"),
    (("run", "+pruner.score.foo=3"), "pruner.score: a function of (view) is needed"),
    (("run", "model.hidden=[0]"), "hidden: a list of whole numbers from 1"),
    (("run", "output="), "output=: a folder"),
    (("run", "lr=0.01"), "lr: there is no such key; did you mean train.lr?"),
    (("run", f"model.hidden={'[' * 3000}1{']' * 3000}"), "maximum recursion depth exceeded"),
    (("run", "-m", f"seed=range(0,1{'0' * 320})"), "a range of numbers up to 9,007,199,254,740,992, by a step"),
    (("run", "device=gpu"), "did you mean cuda?"),
    (("run", "pruner.scope=local"), "did you mean layerwise?"),
    (("sweep", "seed=0,1"), "list, watch, completion; a sweep is lth run -m"),
    (("run", "-m", "--cfg", "job"), "-m --cfg: only one of --run, -m, --cfg, --info"),
    (("run", "--run", "-m", "seed=0,1"), "--run -m: only one of --run, -m, --cfg, --info"),
    (("run", "-m", "--info"), "-m --info: only one of"),
    (("run", "--cfg", "job", "--info"), "--cfg --info: only one of"),
    (("run", "--resolve"), "--resolve: only with --cfg or --help"),
    (("run", f"train.iterations={'9' * 400}ep"), "9ep: a length of at most 1,000,000,000,000"),
    (("run", f"train.warmup={'9' * 400}ep"), "lth: train.warmup=999"),
    (("run", f"eval_every={'9' * 400}ep"), "lth: eval_every=999"),
    (("run", f"checkpoint_every={'9' * 400}ep"), "lth: checkpoint_every=999"),
    (("run", "checkpoint_every=0min"), "checkpoint_every=0min: longer than nothing"),
    (("run", "checkpoint_every=0.0ep"), "checkpoint_every=0.0ep: longer than nothing"),
    (("run", f"seed={2**63 - 1}", "replicates=2"), f"seed={2**63 - 1}: the last of 2 replicates would have {2**63}"),
    (("run", "-m", f"seed={2**63 - 2},{2**63 - 1}", "replicates=2"), f"seed={2**63 - 1}: the last of 2 replicates"),
    (("run", f"checkpoint_every={'9' * 400}min"), "lth: checkpoint_every=999"),
    (("run", "rewind=early", f"rewind.iteration={'9' * 400}ep"), "a length of at most 1,000,000,000,000"),
    (("run", "-m", "seed=0,1", "hydra.sweep.subdir=."), "hydra.sweep.subdir=.: the name of a folder within"),
    (("run", "-m", "seed=0,1", "hydra.sweep.subdir=../../o/${hydra.job.num}"), "subdir=../../o/${hydra.job.num}: the"),
    (("run", "-m", "seed=0,1", "hydra.sweep.subdir=/tmp/${seed}"), "subdir=/tmp/${seed}: the name of a folder"),
    (("run", "init=a=b"), "init=a=b: cannot be read: special characters need quotes, within"),
    (("run", "controls=none"), "none is an empty one, controls=[]"),
    (("run", "controls=5"), "controls=5: there is no such option\n     available: constant, "),
    (("run", "controls=[5]"), "controls=5: there is no such option\n     available: constant, "),
    (("run", "controls=[random_mask,random_mask]"), "controls=[random_mask,random_mask]: random_mask is named twice"),
    (("run", "-m", "controls=[],[invert,invert]"), "controls=[],[invert,invert]: invert is named twice"),
    (("run", "controls=[shuffle,random_mask]"), "controls=[shuffle,random_mask]: the same control under two names"),
    (("run", "+seed=3"), "seed: there is such a key already; to change it, leave out the +"),
    (("run", "+model=conv4"), "model: there is such a key already; to change it, leave out the +"),
    (("run", "seed=range(3)"), "lth: seed=range(3): several values are a sweep and need -m\n"),
    (("run", "seed=1,2"), "lth: seed=1,2: several values are a sweep and need -m; a list is written seed=[…]\n"),
    (("run", "sparsity=null"), "sparsity=null: there is no such option\n     available: densities, "),
    (("run", "sparsity=[0.5]"), "sparsity=0.5: there is no such option\n     available: densities, "),
    (("run", "-m", "model=conv4,null"), "model=null: there is no such option\n     available: conv2, "),
    (("run", "+model.z={1:a,b:c}"), "lth: model.z: its keys are of several kinds, 1, b: what is recorded needs them"),
    (("run", "+model.z=[{y:{0.5:1,x:2}}]"), "lth: model.z.0.y: its keys are of several kinds, 0.5, x: what"),
    (("run", "model={a:1}"), "model.a: there is no such key"),
    (("run", "seed=${foo}"), "lth: seed=${foo}: there is no key foo; seed: a whole number from 0\n"),
    (("run", "model.hidden=[1,${foo}]"), "lth: model.hidden[1]=${foo}: there is no key foo\n"),
    (("run", "output=${foo}"), "lth: output=${foo}: there is no key foo; output: a folder\n"),
    (("run", "model=${foo}"), "lth: model=${foo}: the name of an option; in place of one, ${…} can only name"),
    (("run", "hydra.run.dir=${foo}"), "lth: hydra.run.dir: Interpolation key 'foo' not found\n"),
    (("run", "score=snip"), "score: there is no such key; did you mean pruner.score?"),
    (
        ("run", "pruner.score=snip"),
        "pruner.score=snip: a criterion, chosen by its name as in pruner=snip; did you mean",
    ),
    (("run", "pruner.rates=3"), "pruner.rates=3: multipliers of the pruning rate by layer, such as {output: 0.5}"),
    (("run", "train.milestones=3"), "train.milestones=3: a list of fractions of training, in (0, 1)"),
    (("run", "safe=maybe"), "safe=maybe: true or false"),
    (("run", "ticket={a:1}"), "ticket={a:1}: the file of a ticket"),
    (("run", "ticket=a=b,c/x~"), "ticket=a=b,c/x~: No such file or directory"),
    (("run", "hydra.run.dir=."), "hydra.run.dir=.: the name of a new folder"),
    (("run", "-m", "seed=0,0"), "seed=0: this sweep has the same job twice"),
    (("run", "-m", "sparsity=0.5,0.50"), "this sweep has the same job twice"),
    (("compare", "--plot", "p.xyz"), "p.xyz does not end in .png, .svg or .pdf"),
    (("compare", "--tolerance", "abc"), "abc is not a number of points"),
    (("run", "model=covn4"), "model=covn4: there is no such option; did you mean conv4?"),
    (("run", "model=3"), "model=3: there is no such option\n     available: conv2, "),
    (("run", "+model.foo=1"), "unexpected keyword argument 'foo'"),
    (
        ("run", "rewind=early", "rewind.iteration=999it"),
        "rewind.iteration=999it is not before the end of training, 300",
    ),
    (("run", "rewind=late", "rewind.fraction=1"), "fraction=1: a fraction of training, in [0, 1)"),
    (("run", "train.batch_size=5000"), "train.batch_size=5000: the training split has only 1,257 examples"),
    (("run", "model=lenet5"), "model=lenet5: images of 8x8 are too small, at least 12x12 are needed"),
    (("run", "output=/proc/nope"), "/proc/nope"),
    (("run", "output=blocked/x"), "blocked"),
    (("run", "device=cuda"), "device=cuda: this machine's PyTorch has no cuda; available: auto, cpu"),
    (("run", "dataset=mnist", "dataset.root=empty", "dataset.download=false"), "MNIST is not on disk"),
    (("run", "sparsity=0.999999"), "would keep none of 50,200 weights"),
    (("run", "sparsity=one_shot", "rounds=3"), "rounds must be 1, not 3"),
    (("run", "controls=[shufle]"), "controls=shufle: there is no such option; did you mean shuffle?"),
    (("run", "controls=shufle"), "controls=shufle: there is no such option; did you mean shuffle?"),
    (("run", "+controls.foo=3"), "controls.foo=3: controls are chosen by name"),
    (("run", "controls=[smart_ratio]", "controls.smart_ratio.output=3"), "output=3: a fraction kept, in [0, 1]"),
    (("run", "pattern=n_m", "sparsity=0.3"), "a sparsity of 0.5 is enough"),
    (("run", "pattern=n_m", "pattern.n=4"), "n=4, m=4: whole numbers with 1 <= n < m"),
    (("run", "pattern=filters", "pruner.scope=global", "pruner.rates.output=1"), "pruner.scope=layerwise"),
    (("run", "pattern=filters", "pruner.rates.output=1"), "a neuron of the output layer is a class"),
    (("run", "pruner=snip", "pruner.at=start"), "pruner.at=start: one of init, rewind, trained"),
    (("run", "pruner.scope=layerwise", "+pruner.rates.fc9=0"), "pruner.rates.fc9: no layer is called so"),
    (("run", "pruner.scope=erk", "pruner.rates.fc=0"), "rates by layer need pruner.scope=layerwise"),
    (("run", "pruner=supermask", "pruner.score.lr_factor=0"), "lr_factor=0: a number above 0"),
    (("run", "pruner=supermask", "pruner.score.rescale=2"), "rescale=2: true or false"),
    (("run", "pruner=supermask", "pruner.at=init"), "pruner.at=init: a mask is learned at the weights"),
    (("run", "pruner=edge_popup", "pruner.steps=2"), "pruner.steps=2: a mask is learned in one step"),
    (("run", "pruner=edge_popup", "pattern=n_m", "sparsity=0.5"), "a mask is learned under pattern=unstructured only"),
    (("run", "pruner=edge_popup", "controls=[invert]"), "a ticket that is learned has no scores to invert"),
    (("run", "pruner=edge_popup", "controls=[random_labels]"), "controls=random_labels: beside a learned mask nothing"),
    (("run", "pruner=snip", "pruner.score.examples=0"), "examples=0: a whole number from 1"),
    (("run", "ticket=nowhere"), "nowhere"),
    (("run", "ticket=blocked"), "ticket=blocked: blocked is not a ticket"),
    (("run", "ticket=blocked", "rounds=3"), "rounds=3: a ticket that is given is only trained"),
    (("run", "-m", "rounds=1,0"), "rounds=0: a whole number from 1 to 1000"),
    (("run", "-m", "sparsity=0.5,linear"), "sparsity=geometric,linear sparsity.target=0.5,0.9"),
    (("run", "--config-dir", "nowhere"), "--config-dir=nowhere: there is no such folder"),
    (("run", "hydra/launcher=submitit_slurm"), "launchers are installed as extras"),
    (("run", "rounds"), "rounds: overrides are written key=value"),
    (("completion", "tcsh"), "argument SHELL: invalid choice: 'tcsh' (choose from 'bash', 'zsh', 'fish')"),
    (("completion",), "the following arguments are required: SHELL"),
    (("rnu",), "rnu: the commands are run, compare, plot, verify, list, watch, completion; did you mean run?"),
    (("compare",), "nothing to compare: no finished run in outputs"),
    (("compare", "nowhere"), "missing: nowhere"),
    (("compare", "--formt", "csv"), "did you mean --format?"),
    (("compare", "--tolerance", "-1"), "--tolerance"),
    (("list", "model"), "did you mean models?"),
]


def test_a_sweep_of_which_no_job_can_start_leaves_nothing_behind(lth: Lth, tmp_path: Path) -> None:
    swept = lth("run", "-m", "model=lenet5", "seed=0,1")
    assert swept.returncode == 2
    assert swept.stdout.count("images of 8x8 are too small, at least 12x12 are needed") == 2
    assert not list(tmp_path.iterdir())


def test_a_sweep_of_nothing_is_one_job_and_says_so(lth: Lth, tmp_path: Path) -> None:
    said = "lth: -m: no key has several values, so nothing is swept: this is one job\n"
    swept = lth("run", "-m", "rounds=1", "train.iterations=2it", "controls=[]")
    assert (swept.returncode, swept.stderr) == (0, said)
    assert "1 done in" in swept.stdout


def test_jobs_that_would_share_a_folder_are_counted(lth: Lth, tmp_path: Path) -> None:
    shared = "hydra.sweep.subdir=one"
    swept = lth("run", "-m", "seed=0,1", shared, "rounds=1", "train.iterations=2it", "controls=[]")
    assert swept.returncode == 1
    assert "1 done, 1 without a folder of their own in" in swept.stdout


def test_jobs_that_hydra_would_put_beside_their_sweep_do_no_work(lth: Lth, tmp_path: Path) -> None:
    """Where that is known only when Hydra resolves it."""
    subdir = "hydra.sweep.subdir=${oc.env:THERE}/${hydra.job.num}"
    swept = lth("run", "-m", "seed=0,1", subdir, "rounds=1", "train.iterations=2it", THERE="../../there")
    assert swept.returncode == 2
    assert "lth: 1: hydra.sweep.subdir=../../there/1: the name of a folder within the sweep" in swept.stderr
    assert not list(tmp_path.rglob("run.json"))


def test_broken_yaml_is_named_with_its_line(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "bad.yaml").write_text("hidden: [3\nblocks: ]\n")
    done = lth("run", "--config-dir", "conf", "model=bad")
    assert (done.returncode, done.stdout) == (2, "")
    assert "bad.yaml, line 2" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_killed_worker_does_not_hide_the_others(tmp_path: Path) -> None:
    """A killed process cannot say so itself; the sweep names its job, and ends with its summary."""
    options = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "seed=0,1", "controls=[]", "rounds=1"]
    command = [sys.executable, "-m", "lth_cli", "run", "-m", "train.iterations=4ep,4000ep", *options]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    records: list[dict[str, object]] = []
    while len(records) < 2:
        time.sleep(0.1)
        assert process.poll() is None
        records = [json.loads(path.read_text()) for path in tmp_path.glob("outputs/*/*/*4000ep/run.json")]
    for record in records:
        with contextlib.suppress(ProcessLookupError):  # the launcher ends the others when it misses one
            os.kill(int(str(record["pid"])), signal.SIGKILL)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    names = "seed=0,train.iterations=4000ep, seed=1,train.iterations=4000ep"
    assert errors.splitlines()[0] == f"lth: {names}: the worker process ended early, SIGKILL; out of memory?"
    assert "Traceback" not in errors
    assert re.search(r"^killed: .*train.iterations=4000ep", output, re.MULTILINE)
    assert re.search(r"^2 done, 2 killed in ", output, re.MULTILINE)


def test_output_may_have_any_name(lth: Lth, tmp_path: Path) -> None:
    ran = lth("run", "output='x [red] y, größe=1'", "rounds=1", "train.iterations=2it", "controls=[]")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].startswith(str(tmp_path / "x [red] y, größe=1"))
    assert lth("compare", "x [red] y, größe=1").returncode == 0


def test_a_reader_that_goes_away_does_not_lose_the_run(tmp_path: Path) -> None:
    command = f"{sys.executable} -m lth_cli run rounds=4 train.iterations=1ep controls=[] | head -1"
    assert subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True).stderr == ""
    assert json.loads((only_run(tmp_path) / "run.json").read_text())["status"] == "done"


def test_completion_never_prints_an_error(lth: Lth) -> None:
    completed = lth("-sc", "query=bash", COMP_LINE="lth run model=conv4_", COMP_POINT="20")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.split() == ["model=conv4_linear"]
    nonsense = lth("-sc", "query=bash", COMP_LINE="lth run sparsity=0.9 '", COMP_POINT="22")
    assert (nonsense.returncode, nonsense.stderr) == (0, "")


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_what_is_wrong_is_said_in_a_few_lines_and_leaves_nothing_behind(
    lth: Lth, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "blocked").write_text("a file where a folder should be")
    if arguments[-1] == "device=cuda" and torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    done = lth(*arguments)
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 5
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["blocked"]


def test_the_traceback_is_there_for_who_asks(lth: Lth) -> None:
    assert "Traceback" in lth("run", "rounds=0", HYDRA_FULL_ERROR="1").stderr


def test_unfinished_and_damaged_runs_are_named_and_hide_nothing(lth: Lth, run: Path, tmp_path: Path) -> None:
    (tmp_path / "outputs").mkdir()
    good = run.rename(tmp_path / "outputs" / "good")
    damaged, running, failed = (Path(shutil.copytree(good, good.with_name(name))) for name in ("a", "b", "c"))
    (damaged / "history.csv").write_text("nonsense")
    for path, status in ((running, "running"), (failed, "failed")):
        record = json.loads((path / "run.json").read_text())
        (path / "run.json").write_text(
            json.dumps({**record, "status": status, "pid": os.getpid(), "error": "no luck\nat all"})
        )
    compared = lth("compare", "outputs", "missing")
    assert compared.returncode == 0
    assert "winning" in compared.stdout
    lines = compared.stderr.splitlines()
    assert len(lines) == 4
    for path, word in ((damaged, "damaged"), (running, "running"), (failed, "failed"), (Path("missing"), "missing")):
        relative = path.relative_to(tmp_path) if path.is_absolute() else path
        assert any(line.startswith(f"lth: {word}: {relative}") for line in lines)
    only_bad = lth("compare", str(damaged))
    assert (only_bad.returncode, only_bad.stdout) == (2, "")
    assert good.is_dir()


def test_ctrl_c_keeps_the_finished_rounds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lth_cli", "run", "rounds=100", "train.iterations=30ep", "controls=[]"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while "round  1/100" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    run = only_run(tmp_path)
    assert process.returncode == 130
    assert errors == f"lth: interrupted\n     to go on: lth run resume={run.relative_to(tmp_path)}\n"
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    rounds = [int(row["round"]) for row in history(run)]
    assert rounds[:2] == [0, 1]
    for round in rounds:
        assert list((run / "rounds" / f"{round:02d}").glob("*.safetensors"))
