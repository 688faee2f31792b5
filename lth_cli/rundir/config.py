"""Reading config.yaml, and other YAML that `lth` or Hydra wrote. Nothing in it is executed."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from lth_cli.rundir import names
from lth_cli.rundir.damaged import parsed

_MOST_OF_KEYS = 2**20  # characters


def read_config(path: Path) -> dict[str, Any]:
    """config.yaml of a run directory; raises Damaged."""
    return parsed(path, names.CONFIG, parse_config)


def parse_config(text: str) -> dict[str, Any]:
    """A config written by `lth`: plain values, which can be written as JSON, and no aliases.

    Raises:
        ValueError, yaml.YAMLError: it is not that.
    """
    config = parse_yaml(text)
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise ValueError("not a config")
    json.dumps(config, sort_keys=True)
    refuse_long_keys(config)
    return config


def refuse_long_keys(config: dict[Any, Any]) -> None:
    """Raises ValueError where few long keys around many values would make gigabytes, as these are compared by name."""
    if (found := _characters(config, 0)) > _MOST_OF_KEYS:
        raise ValueError(f"keys of {found:,} characters, each with those it is in; at most {_MOST_OF_KEYS:,} are read")


def _characters(node: Any, before: int) -> int:
    if not isinstance(node, dict) or not node:
        return before
    return sum(_characters(value, before + 1 + len(str(key))) for key, value in node.items())


def flat(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a config by their keys, such as train.lr; an empty mapping is a value."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def parse_yaml(text: str) -> Any:
    """Plain values, no aliases; raises ValueError, yaml.YAMLError."""
    # What runs write is read by the C library, which is ten times as fast, and crashes where values nest without end.
    return yaml.load(text, _Plain if _FOREIGN.search(text) else _Fast)


_FOREIGN = re.compile(r"[&*!]|[\[{](?![\]}])|^[ \t]*\?|[-?:][ \t]+[-?](\s|$)", re.M)
_Fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, in C, where PyYAML has it


class _Plain(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # a few lines of aliases may stand for a million values
            raise ValueError("an alias, which no run writes")
        return super().compose_node(parent, index)
