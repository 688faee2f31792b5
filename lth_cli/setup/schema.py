"""The typed root schema of the config.

Defaults live in conf/ only. A group with a `_target_` (model, dataset, rewind, sparsity, pattern) is a plain dict: its
constructor checks its own arguments when it is built. `controls` is one such dict per control.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, is_dataclass
from enum import StrEnum
from typing import Any, get_type_hints

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf

from lth_cli.core.arms import go_on


class ConfigError(Exception):
    """The command line or the config is wrong; the text names the key, the value and what is allowed."""


# A choice is the text of its name. As `global` is a word of Python, no class statement can have it.
At = StrEnum("At", ["init", "rewind", "trained"])
Scope = StrEnum("Scope", ["global", "layerwise", "erk"])
Optimizer = StrEnum("Optimizer", ["adam", "sgd"])
Schedule = StrEnum("Schedule", ["constant", "step", "cosine"])
Init = StrEnum("Init", ["glorot_normal", "signed_constant"])
PrunedTo = StrEnum("PrunedTo", ["zero", "start", "movement"])
Device = StrEnum("Device", ["auto", "cpu", "cuda", "mps"])
Executor = StrEnum("Executor", ["auto", "serial", "stacked", "processes"])
Precision = StrEnum("Precision", ["fp32", "bf16"])
MatmulPrecision = StrEnum("MatmulPrecision", ["highest", "high", "medium"])
OnDivergence = StrEnum("OnDivergence", ["stop", "skip"])
Order = StrEnum("Order", ["per_round", "fixed"])


@dataclass
class PrunerConfig:
    """`score` makes the criterion; `rates` are multipliers of the pruning rate by layer kind or name."""

    score: dict[str, Any] = MISSING
    at: At = MISSING
    steps: int = MISSING
    scope: Scope = MISSING
    rates: dict[str, float] = MISSING


@dataclass
class TrainConfig:
    """See `training.optimizers.Recipe`; lengths here carry their unit."""

    optimizer: Optimizer = MISSING
    lr: float = MISSING
    batch_size: int = MISSING
    iterations: str = MISSING
    momentum: float = MISSING
    weight_decay: float = MISSING
    schedule: Schedule = MISSING
    warmup: str = MISSING
    milestones: list[float] = MISSING
    gamma: float = MISSING


@dataclass
class Config:
    """Everything that decides a run; conf/config.yaml says what each key means."""

    model: dict[str, Any] = MISSING
    dataset: dict[str, Any] = MISSING
    pruner: PrunerConfig = MISSING
    pattern: dict[str, Any] = MISSING
    rewind: dict[str, Any] = MISSING
    sparsity: dict[str, Any] = MISSING
    train: TrainConfig = MISSING
    init: Init = MISSING
    pruned_to: PrunedTo = MISSING
    order: Order = MISSING
    seed: int = MISSING
    replicates: int = MISSING
    ticket: str | None = MISSING
    rounds: int = MISSING
    controls: dict[str, Any] = field(default_factory=dict)
    controls_at: Any = MISSING
    dense_retrained: bool = MISSING
    device: Device = MISSING
    executor: Executor = MISSING
    precision: Precision = MISSING
    matmul_precision: MatmulPrecision = MISSING
    eval_every: str = MISSING
    profile: bool = MISSING
    output: str = MISSING
    on_divergence: OnDivergence = MISSING
    checkpoint_every: str = MISSING
    safe: bool = MISSING
    resume: str | None = MISSING


ConfigStore.instance().store(name="schema", node=Config, provider="lth_cli")


def _length(values: Any) -> int:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise ConfigError(f"sparsity.densities={values}: a list of fractions kept, one per round")
    return len(values)


def _rounds(ticket: str | None, rounds: int) -> int:
    """A ticket that is given is only trained: one round."""
    return rounds if ticket is None else 1


def _retrained(*, _root_: DictConfig) -> bool:
    """Whether tickets go on from trained weights, so that a dense network that never restarts has trained for less."""
    return go_on({key: OmegaConf.select(_root_, key) for key in ("rewind", "ticket", "pruner")})


OmegaConf.register_new_resolver("lth.length", _length, replace=True)
OmegaConf.register_new_resolver("lth.rounds", _rounds, replace=True)
OmegaConf.register_new_resolver("lth.retrained", _retrained, replace=True)


def _choices(schema: type, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    for key, kind in get_type_hints(schema).items():
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            yield prefix + key, list(kind)
        elif isinstance(kind, type) and is_dataclass(kind):
            yield from _choices(kind, f"{prefix}{key}.")


CHOICES = dict(_choices(Config))
