"""What a config will import and call, beside lth's own: a config is code, by the design of Hydra."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lth_cli.setup.conf import own_targets
from lth_cli.setup.schema import ConfigError

_KEYS = ("_target_", "class", "()")  # the last two are those of Python's logging
_CALLED = ("hydra.launcher", "hydra.sweeper", "hydra.callbacks", "hydra.job_logging", "hydra.hydra_logging")
_OF_LOGGING = _CALLED[-2:]  # where Python resolves ext://, and so any text that may become one
_IMPORTS = re.compile(r"\s*ext://")
_MAKES = re.compile(r"\$\{[^}]*:")  # a resolver may make a whole node, such as oc.create
_OF_HYDRA = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
)


def foreign(config: DictConfig, hydra: Mapping[str, str]) -> dict[str, str]:
    """The targets that neither lth's own YAML nor Hydra names, by key; nothing is imported here.

    Args:
        config: composed.
        hydra: the targets of its node of Hydra.

    Raises:
        ConfigError: there is one, and the config says ``safe``.
    """
    # Resolved: what a resolver makes, such as oc.create, is called like what is written.
    own, named = known(), {**hydra, **targets(OmegaConf.to_container(config, resolve=True))}
    found = {key: target for key, target in named.items() if target not in own}
    if config.safe and found:
        key, target = next(iter(found.items()))
        raise ConfigError(f"{key}={target}: safe=true allows only what lth's own conf/ names")
    return found


def known() -> frozenset[str]:
    """The targets that conf/ and Hydra name."""
    return own_targets().union(_OF_HYDRA)


def targets(node: Any, prefix: str = "") -> dict[str, str]:
    """What a node of a config imports, by key; in that of Hydra, also what it may import once it is resolved."""
    return dict(_targets(node, prefix))


def steered(hydra: DictConfig) -> dict[str, Any]:
    """What a node of Hydra says that would reach beyond the run: its folders, and the environment of processes."""
    return {
        f"hydra.{key}": OmegaConf.select(hydra, key)
        for key, usual in (("output_subdir", ".hydra"), ("job.env_set", {}), ("job.chdir", False))
        if OmegaConf.select(hydra, key) not in (usual, None)
    }


def _targets(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for i, value in enumerate(node):
            yield from _targets(value, f"{prefix}.{i}")
    if isinstance(node, str) and (_IMPORTS.match(node) or _may_import(node, prefix)):
        yield prefix, node
    for key, value in node.items() if isinstance(node, dict) else ():
        place = f"{prefix}.{key}" if prefix else str(key)
        if key in _KEYS:
            yield place, str(value)
        elif isinstance(key, str) and _IMPORTS.match(key):
            yield place, key
        else:
            yield from _targets(value, place)


def _may_import(text: str, place: str) -> bool:
    """Whether Hydra or Python's logging may make something of a text there that is not resolved yet."""
    if place.startswith(_OF_LOGGING):
        return "${" in text
    return place.startswith(_CALLED) and _MAKES.search(text) is not None
