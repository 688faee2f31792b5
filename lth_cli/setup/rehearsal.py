"""What can be known before any work: criteria and controls are tried on networks that were never trained."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial

import torch

from lth_cli.controls.control import Arm, Context, Control, Draw, same_arm
from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.seeds import generator
from lth_cli.core.state import Init, Mask, State
from lth_cli.lottery.find import Restart, Search
from lth_cli.lottery.replicate import Replicate
from lth_cli.setup.schema import ConfigError


def untrained(init: Init, layers: Iterable[str]) -> Replicate:
    """A replicate whose three points are three initialisations."""
    first, rewind, trained = (init(generator(0, "rehearsal", i)) for i in range(3))
    return Replicate(0, first, rewind, trained, masks.ones(first.params, layers))


def rehearse_controls(
    controls: Mapping[str, Control],
    rounds: Collection[int],
    search: Search,
    restart: Restart,
    init: Init,
    layers: Iterable[str],
    budget: int,
) -> None:
    """Make each control of the first and the last of `rounds` beside a random ticket that keeps as many weights.

    Args:
        budget: iterations of a control from a fresh initialisation.

    Raises:
        ConfigError: a control cannot be made, is not what it says, or is its ticket.
    """
    if not controls or not rounds:
        return
    first = init(generator(0, "rehearsal"))
    moved = _moved(first)
    replicate = Replicate(0, first, moved if search.rewind_to else first, moved, masks.ones(first.params, layers))
    for round in sorted({min(rounds), max(rounds)}):
        mask, inverted = _masks(search, search.keep[round], replicate)
        ticket = Arm(restart(replicate), mask)
        context = Context(0, round, init, budget, search.pattern.select, partial(dict, inverted))
        for name, control in controls.items():
            try:
                made = control.make(ticket, context)
                wrong = control.violation(made, ticket) or search.pattern.violation(made.mask, search.keep[round])
            except Exception as error:  # a control may be the user's own
                kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
                raise ConfigError(f"controls={name}: it cannot be made in round {round}: {kind}{error}") from error
            if wrong is None and same_arm(made, ticket):
                wrong = "it would be the ticket itself"
            if wrong is None and isinstance(control, Draw) and same_arm(made, control.control.make(ticket, context)):
                wrong = "it would be the first draw again: there is nothing to draw"
            if wrong is not None:
                raise ConfigError(f"controls={name}: in round {round}, {wrong}")


def _masks(search: Search, keep: Counts, replicate: Replicate) -> Iterator[Mask]:
    """A random mask, and that of the lowest scores."""
    stream = generator(0, "rehearsal", 1)
    scores = {name: torch.rand(m.shape, generator=stream) for name, m in replicate.mask.items()}
    for sign in (1, -1):
        yield search.pattern.select({name: sign * s for name, s in scores.items()}, replicate.mask, keep)


def _moved(state: State) -> State:
    """As if it had been trained: no two weights alike."""
    stream = generator(0, "rehearsal", 2)
    params = {name: p + 0.01 * torch.randn(p.shape, generator=stream) for name, p in state.params.items()}
    return State(params, state.buffers)
