"""What the value of each key may be, in its range and in words: all that needs neither the data nor the network."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import combinations
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli.core import lengths as intervals
from lth_cli.core.arms import MOST, OWN, drawn
from lth_cli.core.spelling import brief, gist, nearest
from lth_cli.setup.schema import CHOICES, Config, ConfigError, PrunerConfig, TrainConfig
from lth_cli.setup.unresolved import unresolved

_MEANT = {"gpu": "cuda", "local": "layerwise"}  # what others call a choice
_LENGTHS = {"train.iterations": 1, "train.warmup": 0, "eval_every": 1}
_NUMBERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "seed": (lambda v: 0 <= v < 2**63, "a whole number from 0"),
    "replicates": (lambda v: 1 <= v <= 1000, "a whole number from 1 to 1000"),
    "rounds": (lambda v: 1 <= v <= 1000, "a whole number from 1 to 1000"),
    "pruner.steps": (lambda v: 1 <= v <= 10_000, "a whole number from 1 to 10000"),
    "train.lr": (lambda v: 0 < v < math.inf, "a number above 0"),
    "train.batch_size": (lambda v: v >= 1, "at least 1"),
    "train.momentum": (lambda v: 0 <= v < 1, "a number in [0, 1)"),
    "train.weight_decay": (lambda v: 0 <= v < math.inf, "a number from 0"),
    "train.gamma": (lambda v: 0 < v < math.inf, "a number above 0"),
}
_DRAWS = f"a whole number from 1 to {MOST}"
_WORDS = {
    "pruner.score": "a criterion, chosen by its name as in pruner=snip",
    "pruner.rates": "multipliers of the pruning rate by layer, such as {output: 0.5}",
    "train.milestones": "a list of fractions of training, in (0, 1)",
    "ticket": "the file of a ticket",
    "output": "a folder",
    "profile": "true or false",
    "safe": "true or false",
    "dense_retrained": "true or false",
}


def check(config: DictConfig) -> None:
    """Raise ConfigError for the first key that does not exist, or value that is out of its range."""
    for prefix, node, schema in (
        ("", config, Config),
        ("train.", config.train, TrainConfig),
        ("pruner.", config.pruner, PrunerConfig),
    ):
        known = [field.name for field in fields(schema)]
        for key in map(str, node):
            if key not in (*known, "hydra"):
                raise ConfigError(f"{prefix}{key}: there is no such key{nearest(key, known)}")
    try:
        for key, (holds, words) in _NUMBERS.items():
            value = OmegaConf.select(config, key, throw_on_missing=True)
            _require(isinstance(value, int | float) and holds(value), key, value, words)
        for key in CHOICES:  # typed as they are, but an interpolation may stand for anything
            OmegaConf.select(config, key, throw_on_missing=True)
        for key, least in _LENGTHS.items():
            _check_length(key, OmegaConf.select(config, key, throw_on_missing=True), least)
        minutes = re.fullmatch(r"(\d+(?:\.\d+)?)min", config.checkpoint_every)
        if minutes is None or not math.isfinite(float(minutes[1])):
            _check_length("checkpoint_every", config.checkpoint_every, 1)
        else:
            _require(float(minutes[1]) > 0, "checkpoint_every", config.checkpoint_every, "longer than nothing")
        last = config.seed + config.replicates - 1
        _require(last < 2**63, "seed", config.seed, f"the last of {config.replicates} replicates would have {last}")
        for fraction in config.train.milestones:
            _require(0 < fraction < 1, "train.milestones", fraction, _WORDS["train.milestones"])
        for kind, rate in config.pruner.rates.items():
            _require(0 <= rate < math.inf, f"pruner.rates.{kind}", rate, "a multiplier, at least 0")
            if config.pruner.scope != "layerwise":
                _require(rate == 1, f"pruner.rates.{kind}", rate, "rates by layer need pruner.scope=layerwise")
        if config.train.optimizer != "sgd":
            _require(config.train.momentum == 0, "train.momentum", config.train.momentum, "only train=sgd has momentum")
        _require(config.output != "", "output", "", _WORDS["output"])
        for name, node in config.controls.items():
            draws = node.get("draws", 1) if OmegaConf.is_dict(node) else 1
            _require(type(draws) is int and 1 <= draws <= MOST, f"controls.{name}.draws", draws, _DRAWS)
        several = len(drawn(config.controls))
        _require(several <= MOST - len(OWN), "controls", f"[… {several:,} …]", f"at most {MOST - len(OWN)} of them")
        for (one, node), (other, same) in combinations(config.controls.items(), 2):
            _require(node != same, "controls", f"[{one},{other}]", "the same control under two names")
        if config.ticket is not None:
            _require(config.rounds == 1, "rounds", config.rounds, "a ticket that is given is only trained: rounds=1")
            _require(not config.dense_retrained, "dense_retrained", True, "beside a ticket that is given, false")
        if config.profile:
            _require(config.executor in ("auto", "serial"), "profile", True, "only executor=serial shows its parts")
        control_rounds(config.controls_at, config.rounds)
    except OmegaConfBaseException as error:
        if wrong := wrong_choice(error):
            raise ConfigError(wrong) from None
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ConfigError):
            raise ConfigError(gist(str(cause))) from None
        hint = f"; {error.full_key}: {what}" if (what := allowed(str(error.full_key))) else ""
        raise ConfigError(f"{unresolved(config, error)}{hint}") from None


def allowed(key: str) -> str | None:
    """What a key allows, in words; None where only its constructor knows."""
    if key in _NUMBERS:
        return _NUMBERS[key][1]
    if key in CHOICES:
        return f"one of {', '.join(CHOICES[key])}"
    if key in _WORDS:
        return _WORDS[key]
    return 'a length like "500it" (iterations) or "20ep" (epochs)' if key in _LENGTHS else None


def wrong_choice(error: BaseException | None) -> str | None:
    """``init=ones: one of …``, where OmegaConf refused a value that is none of its key's choices; else None."""
    if not isinstance(error, OmegaConfBaseException) or not isinstance(error.value, str | int | float):
        return None
    key, value = error.full_key, str(error.value)
    if key not in CHOICES:
        return None
    meant = f"; did you mean {_MEANT[value]}?" if _MEANT.get(value) in CHOICES[key] else nearest(value, CHOICES[key])
    return f"{key}={value}: {allowed(key)}{meant}"


def control_rounds(at: Any, rounds: int) -> Sequence[int]:
    """The rounds that `controls_at` names: last, all, or a list of rounds from 1 to `rounds`."""
    if at == "last":
        return [rounds]
    if at == "all":
        return range(1, rounds + 1)
    listed = [at] if isinstance(at, int) else at
    words = f"last, all, or a list of rounds from 1 to {rounds}"
    _require(not isinstance(listed, str) and isinstance(listed, Sequence), "controls_at", at, words)
    for round in listed:
        _require(type(round) is int and 1 <= round <= rounds, "controls_at", at, words)
    return list(listed)


def _check_length(key: str, value: Any, least: int) -> None:
    try:
        intervals.check(value)
        long_enough = float(value[:-2]) >= least or (value.endswith("ep") and float(value[:-2]) > 0)
    except ValueError as error:
        raise ConfigError(f"{key}={brief(str(value), 1, 80)}: {error}") from None
    _require(long_enough, key, value, "longer than nothing")


def _require(holds: bool, key: str, value: Any, words: str) -> None:
    if not holds:
        raise ConfigError(f"{key}={brief(str(value), 1, 80)}: {words}")
