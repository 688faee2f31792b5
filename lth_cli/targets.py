"""What a config will import and call, beside lth's own: a config is code, by the design of Hydra."""

import re
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lth_cli.config import ConfigError, conf_dir

_KEYS = ("_target_", "class", "()")  # the last two are those of Python's logging
_OF_HYDRA = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
)


def say_what_is_imported(config: DictConfig, refuse: bool) -> None:
    """Print each target of a composed config that neither lth's own YAML nor Hydra's names; nothing is imported here.

    Args:
        refuse: whether to raise instead.

    Raises:
        ConfigError: a target is not allowed.
    """
    for place, target in _targets(OmegaConf.to_container(config), ""):
        if target not in known():
            if refuse:
                raise ConfigError(f"{place}={target}: safe=true allows only what lth's own conf/ names")
            print(f"lth: {place} imports {target}", file=sys.stderr)


@cache
def known() -> frozenset[str]:
    """The targets that conf/ and Hydra name."""
    texts = (file.read_text() for file in conf_dir().rglob("*.yaml"))
    ours = (found for text in texts for found in re.findall(r"(?:_target_|class): *([\w.]+)", text))
    return frozenset((*ours, *_OF_HYDRA))


def _targets(node: Any, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, list):
        for value in node:
            yield from _targets(value, prefix)
    for key, value in node.items() if isinstance(node, dict) else ():
        place = f"{prefix}.{key}" if prefix else str(key)
        if key in _KEYS:
            yield place, str(value)
        elif key == "searchpath":
            yield from ((place, str(path)) for path in value or () if str(path).startswith("pkg:"))
        else:
            yield from _targets(value, place)
