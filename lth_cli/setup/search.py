"""How tickets are found: by pruning, by learning the mask, or by reading one that was found before."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from omegaconf import DictConfig

from lth_cli.controls.control import SCORES, TRAINING
from lth_cli.core import masks
from lth_cli.core.budget import plan
from lth_cli.core.counts import Counts
from lth_cli.core.layers import Layer
from lth_cli.core.seeds import generator
from lth_cli.core.spelling import clean
from lth_cli.core.state import Init, Logits, Start
from lth_cli.core.ticket import Ticket
from lth_cli.datasets.dataset import Examples
from lth_cli.lottery.find import Restart, Search, learn_the_mask, prune_and_rewind, take_given
from lth_cli.lottery.given import fit_to
from lth_cli.lottery.prune import Pruner, Score
from lth_cli.lottery.replicate import Replicate
from lth_cli.patterns import Pattern, Unstructured
from lth_cli.pruners.learner import Learner
from lth_cli.rewind import Moments, Rewind
from lth_cli.setup.instantiate import instantiate, named
from lth_cli.setup.rehearsal import untrained
from lth_cli.setup.schema import ConfigError
from lth_cli.training.optimizers import Recipe, rate

_LEAST_RATE = 0.01  # of the peak


@dataclass(frozen=True)
class Way:
    """The way to find tickets that a config chooses.

    Args:
        search: for `run_imp`.
        restart: where a ticket starts.
        lacks: what a control may need and cannot have here, each with the reason.
        notes: what the user should know before the first round.
        moments: of which states the strategy wants what the optimizer remembers: saved, trained, or neither.
    """

    search: Search
    restart: Restart
    lacks: Mapping[str, str]
    notes: list[str]
    moments: Moments = None

    @property
    def trains(self) -> bool:
        """Whether weights are trained after round 0."""
        return TRAINING not in self.lacks


def searched(
    config: DictConfig,
    choices: Mapping[str, Any],
    layers: Mapping[str, Layer],
    init: Init,
    network: Logits,
    train: Examples,
    recipe: Recipe,
    ranks: bool,
) -> Way:
    """A ticket that is pruned, or whose mask is learned.

    Args:
        ranks: whether a control asks how the weights were ranked.

    Raises:
        ConfigError: naming the group or key.
    """
    rewind: Rewind = instantiate("rewind", config, choices, Rewind)
    iterations = recipe.iterations
    rewind_to = _rewind_to(rewind, config, choices, iterations, len(train))

    def restart(replicate: Replicate) -> Start:
        return rewind.restart(replicate.rewind, replicate.trained, rewind_to, iterations)

    moments = getattr(rewind, "moments", None)
    if moments == "saved" and rewind_to == 0:  # where the optimizer remembers nothing yet
        moments = None
    pattern: Pattern = instantiate("pattern", config, choices, Pattern)
    keep, notes = _counts(config, choices, layers, pattern)
    replicate = untrained(init, layers)  # what there is too little memory for is not the criterion's fault
    _check_restart(restart(replicate), config, choices, recipe)
    score = instantiate("score", config.pruner, {"score": choices.get("pruner")}, Callable | Learner)
    if isinstance(score, Learner):
        _check_learner(config, choices, pattern)
        learn = partial(learn_the_mask, learner=score, restart=restart)
        lacks = {
            SCORES: "a ticket that is learned has no scores to invert",
            TRAINING: "beside a learned mask nothing is trained",
        }
        return Way(Search(keep, pattern, rewind_to, learn), restart, lacks, notes, moments)
    pruner = Pruner(_criterion(score), config.pruner.at, config.pruner.steps, pattern, network, train, ranks)
    try:
        pruner.rehearse(replicate)
    except Exception as error:  # a criterion may be the user's own
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ConfigError(f"pruner={choices.get('pruner')}: {kind}{error}") from error
    prune = partial(prune_and_rewind, prune=pruner, restart=restart)
    retrain = restart if config.dense_retrained else None
    return Way(Search(keep, pattern, rewind_to, prune, retrain), restart, {}, notes, moments)


def given(path: str, layers: Mapping[str, Layer], init: Init, iterations: int) -> Way:
    """A ticket that was found before, in place of a search.

    Raises:
        ConfigError: there is no ticket, or not one of this network.
    """
    try:
        ticket = fit_to(Ticket.load(path), init(generator(0, "init")), layers)
    except OSError as error:
        raise ConfigError(f"ticket={path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"ticket={path}: {clean(str(error))}") from None

    def restart(replicate: Replicate) -> Start:
        return Start(ticket.state_for(replicate.rewind), schedule=0, order=0, iterations=iterations)

    keep = [Counts(sum(layer.size for layer in layers.values())), Counts(masks.remaining(ticket.mask))]
    take = partial(take_given, mask=ticket.mask, restart=restart)
    lacks = {SCORES: "a ticket that is given has no scores to invert"}
    return Way(Search(keep, Unstructured(), 0, take), restart, lacks, ticket.notes)


def _rewind_to(rewind: Rewind, config: DictConfig, choices: Mapping[str, Any], iterations: int, examples: int) -> int:
    try:
        at = rewind.saved_at(iterations, examples // config.train.batch_size)
    except ValueError as error:
        raise ConfigError(f"rewind.{error}") from None
    except TypeError as error:
        raise ConfigError(f"{named('rewind', config, choices)}: {error}") from None
    if type(at) is not int or not 0 <= at < iterations:
        raise ConfigError(
            f"{named('rewind', config, choices)}: saved_at is {at}, no iteration from 0 to {iterations - 1}"
        )
    return at


def _check_restart(start: Start, config: DictConfig, choices: Mapping[str, Any], recipe: Recipe) -> None:
    """Training that is too short, or at too low a rate, to change anything is a mistake."""
    if start.iterations < 1:
        raise ConfigError(f"{named('rewind', config, choices)}: tickets would not be trained at all")
    steps = range(start.schedule, start.schedule + start.iterations)
    if not any(rate(recipe, start, step) >= _LEAST_RATE * recipe.lr * (1 - 1e-9) for step in steps):
        highest = max(rate(recipe, start, step) for step in steps)
        given = "null" if config.rewind.get("lr") is None else config.rewind.lr
        key = f"rewind.lr={given}" if "lr" in config.rewind else named("rewind", config, choices)
        raise ConfigError(
            f"{key}: tickets would train at a rate of at most {highest:.2g}, under 1% of train.lr={recipe.lr:g}: too "
            f"little to change anything{f'; try rewind.lr={0.1 * recipe.lr:g}' if 'lr' in config.rewind else ''}"
        )


def _criterion(score: Score) -> Score:
    try:
        inspect.signature(score).bind(None)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"pruner.score: a function of (view) is needed: {error}") from None
    return score


def _check_learner(config: DictConfig, choices: Mapping[str, Any], pattern: Pattern) -> None:
    """What has no meaning where the mask is learned."""
    if config.dense_retrained:
        raise ConfigError("dense_retrained=true: beside a learned mask nothing is trained; choose false")
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
) -> tuple[list[Counts], list[str]]:
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
    ours, theirs = keep[-1].total, asked[-1].total
    return keep, [] if ours == theirs else [f"the pattern keeps {ours:,} weights in the end; asked: {theirs:,}"]
