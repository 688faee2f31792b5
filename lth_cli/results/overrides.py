"""What the overrides of a recorded command say, as far as plain text tells it; without Hydra."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lth_cli.setup.conf import options

_KEY = re.compile(r"\+{0,2}([A-Za-z_][\w-]*(?:\.[\w-]+)*)=(.*)", re.DOTALL)
_SCALAR = r"""(?:[\w./:@%+-]+|'[^'\\$]*'|"[^"\\$]*")"""
_PLAIN = re.compile(rf"(?:{_SCALAR})?|\[ *(?:{_SCALAR} *(?:, *{_SCALAR} *)*)?\]")
_NAME = re.compile(r"[A-Za-z_][\w./-]*")
_YES, _NO = ("true", "yes", "on", "y", "1"), ("false", "no", "off", "n", "0")
_ENUM = re.compile(r"[A-Z]\w*\.")  # as in Device.cpu, which OmegaConf takes for cpu
_DEEPEST = 20  # of keys that are looked into
_NOTHING = object()


@dataclass(frozen=True)
class Said:
    """What overrides say plainly.

    Args:
        values: the text of a value by its key.
        groups: the option that is chosen of a config group.
        unclear: keys to which something else is done: deleted, merged, or given what only Hydra computes.
    """

    values: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    unclear: set[str] = field(default_factory=set)

    def touches(self, key: str) -> bool:
        """Whether a value is given to that key, to what is in it, or to what it is in."""
        return self._overlaps[key] > 0 or any(self._there[above] > 0 for above in _above(key))

    def plain(self) -> Iterator[tuple[str, str]]:
        """The values that nothing else that is said may change."""
        for key, text in self.values.items():
            if self._overlaps[key] == 1 and not any(self._there[above] for above in _above(key)):
                yield key, text

    @cached_property
    def _there(self) -> Counter[str]:
        return Counter((*self.values, *self.unclear))

    @cached_property
    def _overlaps(self) -> Counter[str]:
        """By key, how often it or what is in it is named."""
        return self._there + Counter(above for key in self._there.elements() for above in _above(key))


def parse(words: Sequence[str]) -> Said:
    """What overrides say; options such as -m, and what is said to Hydra itself, are left out."""
    said = Said()
    for word in words:
        found = _KEY.fullmatch(word)
        key = found[1] if found else re.split("[=@]", word.lstrip("+~"), maxsplit=1)[0]
        if word.startswith("-") or re.match(r"(hydra|resume)\b", key):
            continue
        if found and key in options() and (_NAME.fullmatch(found[2]) or found[2].startswith("[")):
            said.groups[key] = found[2]
        elif found and key not in options() and _PLAIN.fullmatch(found[2]):
            said.values[key] = found[2]
        else:
            said.unclear.add(key)
    return said


def disagree(said: Said, config: Mapping[str, Any], choices: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Each key of which a config, or the choices that it was made of, say something else, and what they say."""
    for key, text in said.plain():
        there = lookup(config, key)
        if there is _NOTHING:
            yield f"{key}={text}", "config.yaml has no such key"
        elif not means(text, there):
            yield f"{key}={text}", f"config.yaml has {there!r}"
    for group, text in said.groups.items():
        chosen = choices.get(group)
        if chosen is None or text == "null":
            continue
        if group == "controls":
            names = [name for name in re.split("[][, ]+", text) if name and not said.touches(f"controls.{name}")]
            picked = set(chosen.split(","))
            agrees = all(name in picked or name not in options()[group] for name in names)
        else:
            agrees = text == chosen
        if not agrees:
            yield f"{group}={text}", f"choices of run.json has {chosen!r}"


def means(text: str, there: object) -> bool:
    """Whether the text of an override may stand for a value of a config; so it is of one that cannot be told."""
    if isinstance(there, Mapping):
        return True
    if isinstance(there, list):
        texts = re.findall(_SCALAR, text[1:-1])
        return text.startswith("[") and len(texts) == len(there) and all(map(means, texts, there))
    said = text[1:-1] if text[:1] in ("'", '"') else text
    if isinstance(there, bool):
        return said.lower() in (_YES if there else _NO)
    if there is None:
        return said.lower() == "null"
    with suppress(ValueError):
        if isinstance(there, int):
            return int(said) == there
    with suppress(ValueError, TypeError, OverflowError):
        return float(said) == float(there)  # type: ignore[arg-type]
    return str(there).lower() in (said.lower(), _ENUM.sub("", said).lower())


def lookup(config: Mapping[str, Any], key: str) -> Any:
    """The value of a key with dots; `is_missing` where there is none."""
    node: Any = config
    for part in key.split("."):
        if not isinstance(node, Mapping):
            return _NOTHING if node is _NOTHING else {}  # within a list, which cannot be told
        node = node.get(part, _NOTHING)
    return node


def is_missing(value: object) -> bool:
    """Whether a key was not there."""
    return value is _NOTHING


def _above(key: str) -> Iterator[str]:
    """What a key is in: a.b and a, of a.b.c."""
    parts = key.split(".", _DEEPEST)
    return (".".join(parts[:i]) for i in range(1, len(parts)))
