"""Values of a config that stand for others."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli.core.spelling import gist


def unresolved(config: DictConfig, error: OmegaConfBaseException) -> str:
    """``seed=${foo}: there is no key foo``, of a value that cannot be resolved."""
    key, words = str(error.full_key), gist(str(error))
    value: Any = OmegaConf.to_container(config, resolve=False)
    for part in re.findall(r"[^.\[\]]+", key):
        value = value[int(part)] if isinstance(value, list) else value[part]
    if found := re.match("Interpolation key '(.*)' not found", words):
        words = f"there is no key {found[1]}"
    return f"{key}={value}: {words}"
