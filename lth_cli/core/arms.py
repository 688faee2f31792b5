"""Names of lth's own arms; a control is an arm by its own name."""

from collections.abc import Mapping
from typing import Any

DENSE = "dense"
WINNING = "winning"
DENSE_RETRAINED = "dense_retrained"
"""The dense network, trained as often as the tickets beside it and never pruned: the fair rival of tickets that go on
from trained weights."""

OWN = (DENSE, WINNING, DENSE_RETRAINED)

_GO_ON = ("lth_cli.rewind.LearningRate", "lth_cli.rewind.FineTune")


def go_on(config: Mapping[str, Any]) -> bool:
    """Whether the tickets of a config go on from trained weights, so that plain dense has trained for less than they.

    Of a rewind strategy of somebody else, its config says so by asking for `DENSE_RETRAINED`.
    """
    rewind = config.get("rewind")
    target = str(rewind.get("_target_")) if isinstance(rewind, Mapping) else ""
    if config.get("ticket") is not None:
        return False
    return target in _GO_ON or (not target.startswith("lth_cli.") and config.get("dense_retrained") is True)
