"""The types of the config: choices, their text in a run directory, and what is said of a wrong one."""

import re
from pathlib import Path

import pytest
from hydra.errors import HydraException
from omegaconf import OmegaConf

from lth_cli.command.explain import explain
from lth_cli.setup.conf import conf_dir
from lth_cli.setup.schema import CHOICES, ConfigError, Scope
from lth_cli.setup.values import allowed, check
from tests.command import Lth
from tests.configs import compose

DEFAULT = """\
model:
  _target_: lth_cli.models.mlp
  hidden:
  - 300
  - 100
dataset:
  _target_: lth_cli.datasets.digits
  val_size: 180
  test_size: 360
pruner:
  score:
    _target_: lth_cli.pruners.magnitude
    _partial_: true
  at: trained
  steps: 1
  scope: global
  rates:
    conv: 1.0
    fc: 1.0
    output: 1.0
pattern:
  _target_: lth_cli.patterns.Unstructured
rewind:
  _target_: lth_cli.rewind.Early
  iteration: 0it
sparsity:
  _target_: lth_cli.schedules.Geometric
  target: 0.9
train:
  optimizer: adam
  lr: 0.0012
  batch_size: 60
  iterations: 15ep
  momentum: 0.0
  weight_decay: 0.0
  schedule: constant
  warmup: 0it
  milestones:
  - 0.5
  - 0.75
  gamma: 0.1
init: glorot_normal
pruned_to: zero
order: per_round
seed: 0
replicates: 1
ticket: null
rounds: 10
controls:
  random_reinit:
    _target_: lth_cli.controls.Reinit
    keep_sign: false
    draws: 1
  random_mask:
    _target_: lth_cli.controls.RandomMask
    draws: 1
controls_at: last
dense_retrained: false
device: auto
executor: auto
precision: fp32
matmul_precision: highest
eval_every: 1ep
profile: false
output: outputs
on_divergence: stop
checkpoint_every: 10min
safe: false
resume: null
"""


def complaint(*changes: str) -> str:
    """What is said of a config."""
    with pytest.raises((ConfigError, HydraException)) as caught:
        check(compose(*changes))
    return explain(caught.value, changes)


def test_the_text_of_the_default_config_is_that_of_the_runs_that_were_written_with_it() -> None:
    """A run goes on only with the same text, byte for byte."""
    assert OmegaConf.to_yaml(compose(), resolve=True) == DEFAULT


def test_a_choice_is_the_text_of_its_name() -> None:
    config = compose("pruner.scope=global")
    assert config.pruner.scope == "global" == str(config.pruner.scope)
    assert config.pruner.scope in {"global": 1}
    assert isinstance(config.pruner.scope, Scope)
    assert compose("executor=serial").executor != "stacked"


@pytest.mark.parametrize(("key", "option"), [(key, option) for key in CHOICES for option in CHOICES[key]])
def test_every_choice_is_taken_and_written_as_it_is_typed(key: str, option: str) -> None:
    momentum = ["train.momentum=0"] if key == "train.optimizer" else []
    config = compose(f"{key}={option}", *momentum)
    check(config)
    line = rf"^ *{key.rpartition('.')[2]}: {option}$"
    assert re.search(line, OmegaConf.to_yaml(config, resolve=True), re.MULTILINE)


def test_comments_name_every_choice() -> None:
    """conf/ is what the user reads, so choices are named there a second time."""
    lines = [
        (f"{prefix}{line.partition(':')[0]}", line.partition("#")[2])
        for prefix, name in (("", "config"), ("pruner.", "pruner/magnitude"), ("train.", "train/sgd"))
        for line in (conf_dir() / f"{name}.yaml").read_text().splitlines()
    ]
    named = {key: set(re.findall(r"\w+", comment)) for key, comment in lines if key in CHOICES and comment}
    assert CHOICES.keys() - named.keys() == {"train.optimizer"}  # there is one file for each
    assert all(set(CHOICES[key]) <= words for key, words in named.items())
    assert {path.stem for path in (conf_dir() / "train").glob("*.yaml")} == set(CHOICES["train.optimizer"])


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("init=glorotnormal", "init=glorotnormal: one of glorot_normal, signed_constant; did you mean glorot_normal?"),
        ("init='a word'", "init=a word: one of glorot_normal, signed_constant"),
        ("++device=gpu", "device=gpu: one of auto, cpu, cuda, mps; did you mean cuda?"),
        ("train={schedule:cosin}", "train.schedule=cosin: one of constant, step, cosine; did you mean cosine?"),
        ("init=${pruned_to}", "init=zero: one of glorot_normal, signed_constant"),
        ("precision=32", "precision=32: one of fp32, bf16; did you mean fp32?"),
        ("precision=true", "precision=True: one of fp32, bf16"),
        ("precision=null", "precision=null: one of fp32, bf16"),
        ("precision=[fp32]", "precision=[fp32]: one of fp32, bf16"),
    ],
)  # fmt: skip
def test_a_wrong_choice_is_told_with_those_that_there_are(change: str, value: str) -> None:
    assert complaint(change) == value


def test_a_wrong_choice_in_a_users_own_yaml_is_told_in_the_same_words(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "mine" / "pruner").mkdir(parents=True)
    (tmp_path / "mine" / "pruner" / "layers.yaml").write_text("defaults: [magnitude]\nscope: layer\n")
    done = lth("run", "--config-dir=mine", "pruner=layers")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "lth: pruner.scope=layer: one of global, layerwise, erk; did you mean layerwise?\n"
    assert allowed("pruner.scope") == "one of global, layerwise, erk"
