"""How a ticket is found: by pruning, or by reading one that was found before."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from omegaconf import DictConfig

from lth_cli.core import masks
from lth_cli.core.budget import Keep, plan, total_kept
from lth_cli.core.layers import Layer
from lth_cli.core.seeds import generator
from lth_cli.core.state import Logits, State
from lth_cli.core.ticket import Ticket
from lth_cli.datasets.dataset import Examples
from lth_cli.lottery.prune import Points, Prune, Pruner, Score
from lth_cli.lottery.transfer import transfer
from lth_cli.patterns import Pattern, Unstructured
from lth_cli.pruners.learner import Learner
from lth_cli.rewind import Rewind
from lth_cli.setup.instantiate import instantiate, named
from lth_cli.setup.schema import ConfigError

Init = Callable[[torch.Generator], State]


@dataclass(frozen=True)
class Search:
    """How a ticket is found.

    Args:
        keep: what rounds 0 … n keep.
        prune: makes the masks, of the pattern; or learns them.
        rewind: where a ticket restarts; `rewind_to` is the iteration of dense training that it needs.
        notes: what the user should know before the first round.
    """

    keep: list[Keep]
    prune: Prune | Learner
    pattern: Pattern
    rewind: Rewind
    rewind_to: int
    notes: list[str]


def searched(
    config: DictConfig,
    choices: Mapping[str, Any],
    layers: Mapping[str, Layer],
    init: Init,
    network: Logits,
    train: Examples,
    iterations: int,
) -> Search:
    """A ticket that pruning finds.

    Raises:
        ConfigError: naming the group or key.
    """
    rewind: Rewind = instantiate("rewind", config, choices, Rewind)
    try:
        rewind_to = rewind.saved_at(iterations, len(train) // config.train.batch_size)
    except ValueError as error:
        raise ConfigError(f"rewind.{error}") from None
    except TypeError as error:
        raise ConfigError(f"{named('rewind', config, choices)}: {error}") from None
    pattern: Pattern = instantiate("pattern", config, choices, Pattern)
    keep, notes = _counts(config, choices, layers, pattern)
    score = instantiate("score", config.pruner, {"score": choices.get("pruner")}, Callable | Learner)
    if isinstance(score, Learner):
        _check_learner(config, choices, pattern)
        return Search(keep, score, pattern, rewind, rewind_to, notes)
    pruner = Pruner(_criterion(score), config.pruner.at, config.pruner.steps, pattern, network, train)
    untrained = Points(*(init(generator(0, "rehearsal", i)) for i in range(3)))
    try:
        pruner.rehearse(untrained, layers)
    except Exception as error:  # a criterion may be the user's own
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ConfigError(f"pruner={choices.get('pruner')}: {kind}{error}") from error
    return Search(keep, pruner, pattern, rewind, rewind_to, notes)


def given(path: str, layers: Mapping[str, Layer], init: Init) -> Search:
    """A ticket that was found before, in place of a search.

    Raises:
        ConfigError: there is no ticket, or not one of this network.
    """
    try:
        ticket = transfer(Ticket.load(path), init(generator(0, "init")), layers)
    except (ValueError, OSError) as error:
        raise ConfigError(f"ticket={path}: {error}") from None
    keep: list[Keep] = [sum(layer.size for layer in layers.values()), masks.remaining(ticket.mask)]
    return Search(keep, ticket, Unstructured(), ticket, 0, ticket.notes)


def _criterion(score: Score) -> Score:
    try:
        inspect.signature(score).bind(None)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"pruner.score: a function of (view) is needed: {error}") from None
    return score


def _check_learner(config: DictConfig, choices: Mapping[str, Any], pattern: Pattern) -> None:
    """What has no meaning where the mask is learned."""
    if config.pruner.at != "rewind":
        raise ConfigError(f"pruner.at={config.pruner.at}: a mask is learned at the weights it restarts from: rewind")
    if config.pruned_to != "zero":
        raise ConfigError(f"pruned_to={config.pruned_to}: weights that a learned mask leaves out are zero")
    if config.pruner.steps != 1:
        raise ConfigError(f"pruner.steps={config.pruner.steps}: a mask is learned in one step")
    if not isinstance(pattern, Unstructured):
        raise ConfigError(f"{named('pattern', config, choices)}: a mask is learned under pattern=unstructured only")


def _counts(
    config: DictConfig, choices: Mapping[str, Any], layers: Mapping[str, Layer], pattern: Pattern
) -> tuple[list[Keep], list[str]]:
    """What the rounds keep, and a word where the pattern cannot keep exactly what is asked."""
    schedule = instantiate("sparsity", config, choices, Callable)
    try:
        asked = plan(layers, schedule, config.rounds, config.pruner.scope, config.pruner.rates)
    except ValueError as error:
        raise ConfigError(f"{named('sparsity', config, choices)}: {error}") from None
    try:
        keep = pattern.fit(asked, layers)
    except ValueError as error:
        raise ConfigError(f"{named('pattern', config, choices)}: {error}") from None
    ours, theirs = total_kept(keep[-1]), total_kept(asked[-1])
    return keep, [] if ours == theirs else [f"the pattern keeps {ours:,} weights in the end; asked: {theirs:,}"]
