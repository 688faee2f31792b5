"""What a config will import and call, beside lth's own: a config is code, by the design of Hydra."""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from lth_cli.core.spelling import brief, clean, say
from lth_cli.setup.conf import options, own_targets
from lth_cli.setup.schema import ConfigError

_KEYS = ("_target_", "class", "()")  # the last two are those of Python's logging
_CALLED = ("hydra.launcher", "hydra.sweeper", "hydra.callbacks", "hydra.job_logging", "hydra.hydra_logging")
_IMPORTS = re.compile(r"\s*ext://")
_PLACES = {"pruner": r"score\._target_", "controls": r"[^.]+\._target_"}  # of other groups it is their own
_OF_HYDRA = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
)


def foreign(named: Mapping[str, str], safe: bool) -> dict[str, str]:
    """Of targets by key, those that neither lth's own YAML nor Hydra names; nothing is imported here.

    Raises:
        ConfigError: there is one, or one of lth's own in another place, under ``safe=true``.
    """
    for key, target in named.items() if safe else ():
        if target not in _allowed(key):
            raise ConfigError(f"{clean(f'{key}={target}')}: safe=true allows only what lth's own conf/ names there")
    own = known()
    return {key: target for key, target in named.items() if target not in own}


def _allowed(key: str) -> frozenset[str]:
    """The targets that conf/ and Hydra name at a place: a data set as a model's would read what nobody looks at."""
    group, _, inner = key.partition(".")
    if group == "hydra":
        return own_targets(group).union(_OF_HYDRA)
    is_there = group in options() and re.fullmatch(_PLACES.get(group, "_target_"), inner)
    return own_targets(group) if is_there else frozenset()


def tell(imported: Mapping[str, str]) -> None:
    """Say what will be imported, by key."""
    for key, target in imported.items():
        say(brief(clean(f"lth: {key} imports {target}")), file=sys.stderr)


def known() -> frozenset[str]:
    """The targets that conf/ and Hydra name."""
    return own_targets().union(_OF_HYDRA)


def resolved_targets(config: DictConfig) -> dict[str, str]:
    """What a config without the node of Hydra imports: what a resolver makes is called like what is written."""
    return targets(OmegaConf.to_container(config, resolve=True))


def targets(node: Any, prefix: str = "") -> dict[str, str]:
    """What a node of a config imports, by key, and what it may import once a text in it is resolved.

    Args:
        node: plain values; of Hydra's not resolved, of others resolved once, as they may be a second time.
    """
    return dict(_targets(node, prefix))


def steered(hydra: DictConfig) -> dict[str, Any]:
    """What a node of Hydra says that would reach beyond the run: its folders, and the environment of processes."""
    said: Any = OmegaConf.to_container(hydra)  # not resolved: a text may become another one, as with the time
    found = {f"hydra.job.{key}": said["job"].get(key) for key in ("env_set", "chdir")}
    found["hydra.output_subdir"] = said.get("output_subdir")
    return {key: value for key, value in found.items() if value not in (".hydra", {}, False, None)}


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
    """Whether Hydra or Python's logging may make a node or a name of a text there, as of ``${oc.create:…}``."""
    return "${" in text and (place.startswith(_CALLED) or not place.startswith("hydra"))
