"""lth's own choices, made from a config without Hydra: what a run on disk may be asked about itself."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

from lth_cli.setup.conf import own_targets


def own(group: str, node: Any) -> Any | None:
    """What a config's node names, made with its arguments; None where conf/GROUP does not name its target.

    So nothing is imported or called that a run directory names, but lth's own choices of that group.

    Raises:
        ValueError, TypeError: the arguments are not its own.
    """
    target = node.get("_target_") if isinstance(node, Mapping) else None
    if target not in own_targets(group):
        return None
    module, _, name = str(target).rpartition(".")
    made = getattr(import_module(module), name)
    beside = ("draws",) if group == "controls" else ()  # which says how often, and not what
    arguments = {key: value for key, value in node.items() if not str(key).startswith("_") and key not in beside}
    return partial(made, **arguments) if node.get("_partial_") else made(**arguments)
