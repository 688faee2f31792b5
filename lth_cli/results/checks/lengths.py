"""The check of how long tickets and controls trained, by the rewind strategy and the controls themselves."""

from collections.abc import Iterator

import torch

from lth_cli.controls.control import Arm, Context, Control
from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING
from lth_cli.core.state import Start, State
from lth_cli.patterns import Unstructured
from lth_cli.pruners.learner import Learner
from lth_cli.results.checks.files import Files, NotKnown, where
from lth_cli.rewind import Rewind

_MASK = {"weight": torch.tensor([[True, False], [False, True]])}
_STATE = State({"weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]])}, {})  # to ask of it how long it would train


def lengths(files: Files) -> Iterator[str]:
    total, given = files.run.record.get("iterations"), files.run.config.get("ticket") is not None
    if total is None:
        yield NotKnown("iterations of tickets: run.json does not say how long the dense network trained")
        return
    ticket = total if given else _of_ticket(files, total)
    if isinstance(ticket, NotKnown):
        yield ticket
        return
    criterion = files.choice("pruner", "score")
    asked: dict[str, int | NotKnown] = {WINNING: ticket, DENSE_RETRAINED: ticket}
    for key, row in zip(files.keys, files.run.history, strict=True):
        if (arm := key[1]) == DENSE:
            continue
        if arm not in asked:
            asked[arm] = _of_control(files.control(arm), criterion, ticket, total, given)
        wants = asked[arm]
        if isinstance(wants, NotKnown):
            yield wants
        elif row["iterations"] != wants:
            yield f"{where(key)}: it trained for {row['iterations']:,} iterations, by config.yaml it is {wants:,}"


def _of_ticket(files: Files, total: int) -> int | NotKnown:
    strategy: Rewind | NotKnown = files.choice("rewind")
    if isinstance(strategy, NotKnown):
        return strategy
    at = files.run.record.get("rewind_to")
    if at is None:  # an older run
        points = {strategy.saved_at(total, per_epoch) for per_epoch in (1, 2)}
        if len(points) > 1:
            return NotKnown("iterations of tickets: run.json has no rewind_to, and config.yaml has it in epochs")
        at = points.pop()
    return strategy.restart(_STATE, _STATE, at, total).iterations


def _of_control(control: Control | NotKnown, criterion: object, ticket: int, total: int, given: bool) -> int | NotKnown:
    """Beside a mask that was learned, nothing is trained."""
    if isinstance(control, NotKnown):
        return control
    if isinstance(criterion, NotKnown) and not given:
        return criterion
    trains = given or not isinstance(criterion, Learner)
    start = Start(_STATE, schedule=0, order=0, iterations=ticket if trains else 0)
    context = Context(0, 1, lambda _: _STATE, total if trains else 0, Unstructured().select, lambda: _MASK)
    return control.make(Arm(start, _MASK), context).start.iterations
