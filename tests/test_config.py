"""Every YAML composes and builds, and every wrong value is named."""

from pathlib import Path

import hydra
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from lth_cli.command import overrides
from lth_cli.command.explain import explain
from lth_cli.core.counts import Counts
from lth_cli.core.spelling import brief
from lth_cli.report.listing import description
from lth_cli.setup.build import build
from lth_cli.setup.conf import conf_dir
from lth_cli.setup.schema import ConfigError
from lth_cli.setup.values import check, control_rounds
from tests.configs import OPTIONS, choice, compose, run_here


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_passes_the_checks_and_describes_itself(group: str, option: str) -> None:
    config = compose(choice(group, option))
    check(config)
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    words = description(conf_dir() / group / f"{option}.yaml")
    assert len(words) > 20
    assert words.endswith(".")


@pytest.mark.parametrize(("group", "option"), [pair for pair in OPTIONS if pair[0] in ("rewind", "sparsity", "train")])
def test_every_option_fits_the_length_of_training_and_rounds_that_is_the_default(group: str, option: str) -> None:
    """With which the runs below do not run."""
    config = compose(choice(group, option))
    assert len(build(config, {group: option}).way.search.keep) == config.rounds + 1


@pytest.mark.parametrize(
    "choices",
    [[choice(group, option)] for group, option in OPTIONS if group not in ("dataset", "experiment")]
    + [["dataset=mnist_5k"], ["dataset=digits"], ["precision=bf16"], ["matmul_precision=medium"]]
    + [
        ["train=sgd", "train.schedule=cosine", "train.warmup=1it"],
        ["pruner.scope=layerwise", "pruner.rates.output=0.5", "+pruner.rates={fc*:0.5}"],
        ["pattern=n_m", "pattern.n=1", "pattern.m=8", "pruner=synflow", "pruner.steps=3"],
        ["pattern=filters", "pruner=snip", "controls=[random_mask,invert]"],
        ["pruner=supermask", "init=signed_constant", "controls=[random_mask,smart_ratio]"],
        ["pruned_to=start", "pruner=movement", "controls=[same_sign_reinit,random_labels]"],
        ["pruned_to=movement", "pruner=magnitude_increase"],
    ],
    ids=" ".join,
)
def test_every_option_runs_two_rounds(choices: list[str], tmp_path: Path) -> None:
    """With the controls in each, and for a schedule or pattern with a number of rounds of its own, that many."""
    short = ["train.iterations=2it", "dataset.val_size=20", "dataset.test_size=20", "controls_at=all"]
    rounds = [] if choices[0] in ("sparsity=densities", "sparsity=one_shot") else ["rounds=2"]
    rewind = ["rewind.iteration=1it"] if choices == ["rewind=early"] else []
    data = ["dataset=mnist_5k"] if choices == ["model=lenet5"] else []
    config = compose(*data, *choices, *short, *rounds, *rewind)
    done = run_here(config, tmp_path)
    kept = [Counts.parse(plain) for plain in done.record["keep"]]
    assert len(kept) == config.rounds + 1
    assert done.status == "done"
    again = {"dense_retrained"} if config.dense_retrained else set()
    assert {row["arm"] for row in done.history} == {"dense", "winning", *again, *config.controls}
    last = [row for row in done.history if row["round"] == config.rounds and row["arm"] != "dense_retrained"]
    assert {row["remaining"] for row in last} == {kept[-1].total}
    assert done.history[-1]["round"] == config.rounds


@pytest.mark.parametrize("name", ["lenet_mnist_5k", "conv4_digits", "supermask_mnist_5k", "edge_popup_mnist_5k"])
def test_experiments_on_embedded_data_build(name: str) -> None:
    experiment = build(compose(f"+experiment={name}"), {})
    assert experiment.way.search.keep[-1].total < experiment.way.search.keep[0].total


def test_the_papers_hyperparameters() -> None:
    figure_2 = {
        "lenet_mnist": (1.2e-3, "50000it", {"fc": 0.2, "output": 0.1}),
        "conv2_cifar10": (2e-4, "20000it", {"conv": 0.1, "fc": 0.2, "output": 0.1}),
        "conv4_cifar10": (3e-4, "25000it", {"conv": 0.1, "fc": 0.2, "output": 0.1}),
        "conv6_cifar10": (3e-4, "30000it", {"conv": 0.15, "fc": 0.2, "output": 0.1}),
    }
    for name, (lr, iterations, rate) in figure_2.items():
        config = compose(f"+experiment={name}")
        assert (config.train.lr, config.train.iterations, config.train.batch_size) == (lr, iterations, 60)
        assert {kind: config.sparsity.rate[kind] for kind in rate} == rate
        assert (config.pruner.scope, config.dataset.val_size, config.eval_every) == ("layerwise", 5000, "100it")
        assert (config.replicates, config.controls_at) == (5, "all")


@pytest.mark.parametrize(
    "change",
    [
        "rounds=0", "rounds=1001", "replicates=0", "seed=-1", "train.lr=-1", "train.lr=nan", "train.lr=inf",
        "train.batch_size=0", "train.momentum=1", "train.weight_decay=-1", "train.gamma=0", "train.milestones=[2]",
        "train.optimizer=adamw", "train.schedule=cosin", "device=gpu", "precision=fp16", "matmul_precision=low",
        "train.iterations=0it", "train.iterations=20", "train.warmup=abc", "eval_every=0ep", "eval_every=5",
        "pruner.scope=layer", "pruner.rates.conv=0.5", "pruner.rates.fc=-1", "controls_at=sometimes",
        "pruner.at=end", "init=zeros", "pruned_to=one", "pruner.steps=0", "pruner.scope=erks",
        "controls_at=[0]", "controls_at=[11]", "controls_at=[1.5]", "controls_at=null",
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_key(change: str) -> None:
    key, _, value = change.partition("=")
    with pytest.raises((ConfigError, hydra.errors.HydraException)) as caught:
        check(compose(change))
    text = explain(caught.value, [change])
    assert text.startswith(f"{key}=")
    assert value.strip("[]").removesuffix("it") in text.replace("None", "null")
    assert len(text.splitlines()) <= 3


def test_control_rounds() -> None:
    assert list(control_rounds("last", 5)) == [5]
    assert list(control_rounds("all", 3)) == [1, 2, 3]
    assert list(control_rounds([2, 5], 5)) == [2, 5]
    assert list(control_rounds(4, 5)) == [4]


def test_seed_zero_is_a_seed() -> None:
    """lightning-hydra-template ignores seed 0."""
    assert build(compose("seed=0", "replicates=2"), {}).seeds == [0, 1]


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("sparsity=0.9", "sparsity.target=0.9"),
        ("sparsity=0", "sparsity.target=0"),
        ("sparsity=0.5,0.9", "sparsity.target=0.5,0.9"),
        ("sparsity=choice(0.5,0.9)", "sparsity.target=0.5,0.9"),
        ("sparsity=range(0.5,0.9,0.2)", "sparsity.target=0.5,0.7"),
        ("sparsity=interval(0.5,0.9)", "sparsity.target=interval(0.5,0.9)"),
        ("sparsity=geometric", "sparsity=geometric"),
        ("sparsity=geometric,linear", "sparsity=geometric,linear"),
        ("sparsity=glob(*)", "sparsity=glob(*)"),
        ("sparsity.target=0.9", "sparsity.target=0.9"),
        ("rounds=3", "rounds=3"),
        ("~experiment", "~experiment"),
    ],
)
def test_numbers_on_the_group_sparsity_become_its_target(given_: str, expected: str) -> None:
    assert overrides.rewrite([given_]) == [expected]


def test_a_schedule_and_a_target_go_together() -> None:
    rewritten = overrides.rewrite(["sparsity=linear", "sparsity=0.5,0.6"])
    assert rewritten == ["sparsity=linear", "sparsity.target=0.5,0.6"]


@given(st.floats(allow_nan=False).filter(lambda x: not 0 <= x < 1))
def test_a_sparsity_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=r"\[0, 1\)"):
        overrides.rewrite([f"sparsity={value}"])


def test_numbers_and_schedules_in_one_sweep_are_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(ConfigError, match=r"sparsity=geometric,linear sparsity.target=0.5,0.9"):
        overrides.rewrite(["sparsity=0.5,linear"])


def test_jobs_of_a_sweep() -> None:
    assert list(overrides.jobs(["a=1,2", "b=x", "seed=range(2)"])) == [
        ["a=1", "b=x", "seed=0"],
        ["a=1", "b=x", "seed=1"],
        ["a=2", "b=x", "seed=0"],
        ["a=2", "b=x", "seed=1"],
    ]


@pytest.mark.parametrize(
    "sweep",
    ["seed=range(0,1000000000)", "train.lr=range(0,1,1e-300)", "sparsity=range(0,0.9,1e-9)", "seed=range(0,1,0)"],
)
def test_a_sweep_without_end_is_refused_at_once(sweep: str) -> None:
    with pytest.raises(ConfigError, match=r"a sweep of more than 10,000 jobs|by a step that is not 0"):
        list(overrides.jobs(overrides.rewrite([sweep])))
    many = ["seed=range(101)", "rounds=range(1,101)"]
    with pytest.raises(ConfigError, match="more than 10,000 jobs"):
        next(overrides.jobs(many))
    assert len(list(overrides.jobs(["seed=range(100)", "rounds=range(1,101)"]))) == 10_000


def test_overrides_on_top_of_others_replace_their_keys() -> None:
    before = ["model=conv4", "seed=0,1", "+train.x=3", "sparsity.target=0.9"]
    assert overrides.merge(before, ["seed=0,1,2", "train.x=4", "device=cpu"]) == [
        "model=conv4", "sparsity.target=0.9", "seed=0,1,2", "train.x=4", "device=cpu",
    ]  # fmt: skip
    assert overrides.merge(before, []) == before


def test_a_message_is_never_longer_than_one_can_read() -> None:
    assert brief("a\nb") == "a\nb"
    assert brief("x" * 10_000) == "x" * 120 + "…" + "x" * 119
    assert brief("\n".join("abcdefgh")) == "\n".join("abcdef")
    assert brief("a\x1b[31m\u202e") == "a�[31m�"


def test_job_names_are_safe_sorted_and_never_shared() -> None:
    assert overrides.job_name(["seed=1", "rewind=late", "rounds=3"], ["rewind", "seed"]) == "rewind=late,seed=1"
    slashed = overrides.job_name(["dataset.root=/a/b"])
    assert "/" not in slashed
    assert slashed != overrides.job_name(["dataset.root=/a_b"])
    long = [overrides.job_name([f"x={'y' * 500}{i}"]) for i in range(2)]
    assert long[0] != long[1]
    assert max(map(len, long)) < 150


def test_a_users_own_yaml_is_checked_by_the_same_schema(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "mine.yaml").write_text("lr: fast\n")
    with (
        hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"),
        pytest.raises(hydra.errors.ConfigCompositionException),
    ):
        hydra.compose("config", ["train=mine", f"hydra.searchpath=['file://{tmp_path}']"])


def test_criteria_are_compared_at_exactly_the_same_number_of_weights(tmp_path: Path) -> None:
    kept = set()
    for pruner in ("magnitude", "random", "snip", "grasp", "synflow"):
        config = compose(f"pruner={pruner}", "sparsity.target=0.9", "rounds=1", "train.iterations=2it", "controls=[]")
        (tmp_path / pruner).mkdir()
        kept.add(run_here(config, tmp_path / pruner).history[-1]["remaining"])
    assert kept == {5_020}
