"""What a config will import and call, beside lth's own: a config is code, by the design of Hydra."""

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lth_cli.setup.conf import own_targets
from lth_cli.setup.schema import ConfigError

_KEYS = ("_target_", "class", "()")  # the last two are those of Python's logging
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
    own, named = known(), {**hydra, **targets(OmegaConf.to_container(config))}
    found = {key: target for key, target in named.items() if target not in own}
    if config.safe and found:
        key, target = next(iter(found.items()))
        raise ConfigError(f"{key}={target}: safe=true allows only what lth's own conf/ names")
    return found


def known() -> frozenset[str]:
    """The targets that conf/ and Hydra name."""
    return own_targets().union(_OF_HYDRA)


def targets(node: Any, prefix: str = "") -> dict[str, str]:
    """What a node of a config imports, by key."""
    return dict(_targets(node, prefix))


def _targets(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for value in node:
            yield from _targets(value, prefix)
    for key, value in node.items() if isinstance(node, dict) else ():
        place = f"{prefix}.{key}" if prefix else str(key)
        if key in _KEYS:
            yield place, str(value)
        else:
            yield from _targets(value, place)
