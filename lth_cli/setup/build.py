"""Config -> objects; the last checks, those that need data or network."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig
from torch import nn

from lth_cli.controls.control import SCORES, Control, needs
from lth_cli.core import lengths as intervals
from lth_cli.core.faults import MEMORY, TooLarge, lack
from lth_cli.core.layers import Layer
from lth_cli.core.state import Init
from lth_cli.datasets.dataset import Dataset, validate
from lth_cli.datasets.streaming import Streamed
from lth_cli.lottery.pruned_to import PRUNED_TO, PrunedTo
from lth_cli.models import ties
from lth_cli.models.network import initialiser, logits, prunable
from lth_cli.setup.controls import check_needs, chosen_controls
from lth_cli.setup.instantiate import instantiate, named
from lth_cli.setup.rehearsal import rehearse_controls
from lth_cli.setup.schema import ConfigError, Order
from lth_cli.setup.search import Way, given, searched
from lth_cli.setup.trial import fresh_state, try_out
from lth_cli.setup.values import check, control_rounds
from lth_cli.training.executors import Executor, Traits, choose
from lth_cli.training.hooks import Hooks
from lth_cli.training.jobs import Fit
from lth_cli.training.networks import Build, does_not_stack
from lth_cli.training.optimizers import Recipe
from lth_cli.training.trainer import Trainer, to_device


@dataclass(frozen=True)
class Experiment:
    """All that a run needs, checked.

    Args:
        seeds: one per replicate.
        parameters: how many the network has, prunable or not.
        layers: the prunable ones.
        flops: of a forward pass, per example.
        in_state_dict: how its state_dict differs from parameters and buffers by name.
        way: how tickets are found.
        executor: the name of the one chosen.
        checkpoint_every: so many iterations, or seconds.
        fit: makes the trainer, given who follows it.
    """

    seeds: list[int]
    init: Init
    parameters: int
    layers: dict[str, Layer]
    flops: int
    in_state_dict: dict[str, Any]
    way: Way
    controls: Callable[[int], dict[str, Control]]
    pruned_to: PrunedTo
    recipe: Recipe
    data: Dataset
    device: torch.device
    executor: str
    checkpoint_every: tuple[int | None, float | None]
    fit: Callable[[Hooks], Fit]


def build(config: DictConfig, choices: Mapping[str, Any]) -> Experiment:
    """Check the whole config and make its objects; no file is written and nothing is trained.

    Args:
        config: composed.
        choices: option by config group, to name in errors.

    Raises:
        ConfigError: naming the key, its value and what is allowed.
    """
    check(config)
    device = choose_device(config.device)
    controls = chosen_controls(config)
    at = control_rounds(config.controls_at, config.rounds)
    data = instantiate("dataset", config, choices, Dataset)
    try:
        validate(data)
    except ValueError as error:
        raise ConfigError(f"{named('dataset', config, choices)}: {error}") from None
    make: Build = partial(instantiate, "model", config, choices, nn.Module, shape=data.shape, classes=data.classes)
    network, layers = _network(make, config, choices)
    recipe, per_epoch = _recipe(config, len(data.train))
    eval_every = max(1, intervals.iterations(config.eval_every, per_epoch))
    try:
        fresh, flops = _initialiser(make, config, choices, data, device)
    except Exception as error:
        if lack(error) == MEMORY:  # for one network and a few images, so for no batch of any size
            raise TooLarge(f"{named('model', config, choices)}: {_too_large(network, data)}") from None
        raise
    if config.ticket is None:
        ranks = any(SCORES in needs(control) for control in controls.values())
        way = searched(config, choices, layers, fresh, logits(make, device), data.train, recipe, ranks)
    else:
        way = given(config.ticket, layers, fresh, recipe.iterations)
    check_needs(controls, way.lacks, data)
    budget = recipe.iterations if way.trains else 0
    rehearse_controls(controls, at, way.search, way.restart, fresh, layers, budget)
    executor, execute = _executor(config, device, layers, make, data)

    def fit(hooks: Hooks) -> Fit:
        bf16 = config.precision == "bf16"
        fixed_order, whole = config.order == Order.fixed, to_device(data, device)
        trainer = Trainer(make, whole, recipe, eval_every, device, bf16, fixed_order, way.moments, hooks)
        return partial(execute, trainer)

    return Experiment(
        seeds=[config.seed + i for i in range(config.replicates)],
        init=fresh,
        parameters=sum(p.numel() for p in network.parameters()),
        layers=layers,
        flops=flops,
        in_state_dict=ties.in_state_dict(network),
        way=way,
        controls=lambda round: controls if round in at else {},
        pruned_to=PRUNED_TO[config.pruned_to],
        recipe=recipe,
        data=data,
        device=device,
        executor=executor,
        checkpoint_every=_checkpoint_every(config.checkpoint_every, per_epoch),
        fit=fit,
    )


def _network(make: Build, config: DictConfig, choices: Mapping[str, Any]) -> tuple[nn.Module, dict[str, Layer]]:
    """The network without values, and its prunable layers."""
    with torch.device("meta"):
        network = make()
    try:
        ties.check(network)
        layers = prunable(network)
        if not layers:
            raise ValueError("it has no linear or convolutional layer: there is nothing to prune")
    except ValueError as error:
        raise ConfigError(f"{named('model', config, choices)}: {error}") from None
    assert sum(layer.size for layer in layers.values()) <= sum(p.numel() for p in network.parameters())
    return network, layers


def _initialiser(
    make: Build, config: DictConfig, choices: Mapping[str, Any], data: Dataset, device: torch.device
) -> tuple[Init, int]:
    """What makes fresh networks, and what the forward pass of one takes, which was tried on the data set."""
    fresh = initialiser(make, config.init)
    try:
        return fresh, try_out(make, fresh_state(fresh), data, device)
    except ValueError as error:
        raise ConfigError(f"{named('model', config, choices)} {error}") from error


def _too_large(network: nn.Module, data: Dataset) -> str:
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    largest = max(sizes, key=lambda name: sizes[name])
    return (
        f"out of memory: the network is too large for images of {tuple(data.shape)}: "
        f"{sum(sizes.values()):,} parameters, {sizes[largest]:,} of them in {largest}"
    )


def _executor(
    config: DictConfig, device: torch.device, layers: Mapping[str, Layer], make: Build, data: Dataset
) -> tuple[str, Executor]:
    """The executor that is asked for, or the best one; only one network at a time shows where its time goes."""
    traits = Traits(
        convolutional=any(layer.kind == "conv" for layer in layers.values()),
        does_not_stack=partial(does_not_stack, make, data.shape),
        streamed=isinstance(data.train, Streamed),
    )
    try:
        return choose("serial" if config.profile else config.executor, device, torch.get_num_threads(), traits)
    except ValueError as error:
        raise ConfigError(f"executor={config.executor}: {error}") from None


def choose_device(name: str) -> torch.device:
    """The device of that name; auto takes cuda, then mps, then cpu."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present[name]:
        there = ", ".join(kind for kind, is_there in present.items() if is_there)
        raise ConfigError(f"device={name}: this machine's PyTorch has no {name}; available: auto, {there}")
    return torch.device(name)


def _checkpoint_every(length: str, per_epoch: int) -> tuple[int | None, float | None]:
    """(iterations, None) or (None, seconds)."""
    if length.endswith("min"):
        return None, 60 * float(length.removesuffix("min"))
    return max(1, intervals.iterations(length, per_epoch)), None


def _recipe(config: DictConfig, examples: int) -> tuple[Recipe, int]:
    """The recipe with its lengths in iterations, and the iterations of an epoch."""
    train = config.train
    per_epoch = examples // train.batch_size
    if per_epoch == 0:
        raise ConfigError(f"train.batch_size={train.batch_size}: the training split has only {examples:,} examples")
    total = max(1, intervals.iterations(train.iterations, per_epoch))
    warmup = intervals.iterations(train.warmup, per_epoch)
    if warmup >= total:
        raise ConfigError(f"train.warmup={train.warmup}: {warmup} iterations of {total}; must be shorter than training")
    values = {str(key): value for key, value in train.items()}
    return Recipe(**{**values, "iterations": total, "warmup": warmup}), per_epoch
