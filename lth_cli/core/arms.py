"""Names of lth's own arms; a control is an arm by its own name."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

DENSE = "dense"
WINNING = "winning"
DENSE_RETRAINED = "dense_retrained"
"""The dense network, trained as often as the tickets beside it and never pruned: the fair rival of tickets that go on
from trained weights."""

OWN = (DENSE, WINNING, DENSE_RETRAINED)
MOST = 100  # of a run: each has its line in every table and its curve in every picture

_GO_ON = ("lth_cli.rewind.LearningRate", "lth_cli.rewind.FineTune")
_BEGIN_ANEW = ("lth_cli.rewind.Early", "lth_cli.rewind.Late")
_LEARNERS = ("lth_cli.pruners.Supermask", "lth_cli.pruners.EdgePopup")  # beside whose masks no weights are trained


def go_on(config: Mapping[str, Any]) -> bool:
    """Whether the tickets of a config go on from trained weights, so that plain dense has trained for less than they.

    Of another rewind strategy, its config says so by asking for `DENSE_RETRAINED`.
    """
    if config.get("ticket") is not None or _target(config, "pruner", "score") in _LEARNERS:
        return False
    target = _target(config, "rewind")
    return target in _GO_ON or (target not in _BEGIN_ANEW and config.get("dense_retrained") is True)


def drawn(controls: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """The arms of a config's controls: the name of the control, and which of its draws it is, from 0.

    The first draw is an arm by the control's own name, the second ``NAME-2``.
    """
    found = {}
    for name, node in controls.items():
        draws = node.get("draws", 1) if isinstance(node, Mapping) else 1
        found[name] = (name, 0)
        found |= {f"{name}-{i + 1}": (name, i) for i in range(1, min(draws, MOST) if type(draws) is int else 1)}
    return found


def drawn_by(config: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """The same of a config that somebody else may have written: none where it has no controls."""
    controls = config.get("controls")
    return drawn(dict(islice(controls.items(), MOST))) if isinstance(controls, Mapping) else {}


def _target(config: Any, *keys: str) -> str:
    for key in (*keys, "_target_"):
        config = config.get(key) if isinstance(config, Mapping) else None
    return str(config)
