"""YAML of a few lines whose aliases stand for more values than there is memory: refused where it may be chosen."""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from lth_cli.setup.schema import ConfigError

_MOST_VALUES = 10_000  # of one file, its aliases written out
_MOST_BYTES = 2**20


def refuse_bombs(folder: Path, chosen: Iterable[str]) -> None:
    """Look at every file of the user's own YAML that this command line can choose, and at no other.

    A file is chosen by a text that names it and the folders that it is in. Such texts are on the command line, and in
    files that are chosen themselves. Only words are compared, so that a file whose name is also a value is looked at.

    Args:
        folder: of the user's own YAML.
        chosen: overrides, and the name of the primary config.

    Raises:
        ConfigError: a file stands for too many values, has packages searched, or chooses a file that is not below the
            folder, or by what may change until Hydra looks, such as the time.
    """
    texts = list(chosen)
    words = {word for text in texts for word in _words(text)}
    any_name = any("glob(" in text for text in texts)
    read = set[Path]()
    while new := [file for file in _named(folder, words, any_name, set()) if file not in read]:
        for file in new:
            read.add(file)
            if not file.is_file():
                raise ConfigError(f"{file}: not a file")  # a pipe that nobody writes has no end
            if (size := file.stat().st_size) > _MOST_BYTES:
                raise ConfigError(f"{file}: {size:,} bytes; at most {_MOST_BYTES:,} are read")
            root = _parsed(file)
            if _size(root, {}) > _MOST_VALUES:
                raise ConfigError(f"{file}: its aliases stand for more than {_MOST_VALUES:,} values")
            scalars = list(_scalars(root, set()))
            if any("pkg:" in text or "${" in text for text in _under("searchpath", root, set())):
                raise ConfigError(f"{file}: searchpath: a package is imported when it is searched; name folders")
            if found := [text for text in _under("defaults", root, set()) if leads_out(text) or calls(text)]:
                raise ConfigError(f"{file}: defaults: {found[0]}: not a file below the folder of configs")
            words.update(word for text in scalars for word in _words(text))
            any_name |= any("${" in text for text in _under("defaults", root, set()))  # such as model: ${dataset}_net


def leads_out(text: str) -> bool:
    """Whether an option, as a path, is not below the folder of its group."""
    return ".." in re.split(r"[/\\]", text)


def calls(text: str) -> bool:
    """Whether a resolver is called in a text, such as ``${oc.env:HOME}``: what it gives is not known beforehand."""
    return "${" in text and ":" in text


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _named(folder: Path, words: set[str], any_name: bool, seen: set[Path]) -> Iterator[Path]:
    """The files below a folder that `words` name; those in a folder that they name if `any_name`."""
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        if path.is_dir():
            real = path.resolve()
            if _words(path.name) <= words and real not in seen:  # a link may lead back
                seen.add(real)
                yield from _named(path, words, any_name, seen)
        elif path.suffix == ".yaml" and (any_name or _words(path.stem) <= words):
            yield path


def _parsed(file: Path) -> yaml.Node | None:
    """The graph of a file, in which an alias is one more way to a node; None for junk, an error where it is chosen."""
    try:
        node: yaml.Node | None = yaml.compose(file.read_text("utf-8"), yaml.SafeLoader)
        return node
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None


def _inner(node: Any) -> list[Any]:
    items = node.value if isinstance(node, yaml.SequenceNode | yaml.MappingNode) else []
    return [part for item in items for part in (item if isinstance(item, tuple) else (item,))]


def _size(node: Any, sizes: dict[int, float]) -> float:
    """Values under a node, each counted as often as it is named; infinite where it holds itself."""
    if id(node) not in sizes:
        sizes[id(node)] = math.inf
        sizes[id(node)] = 1 + sum(_size(part, sizes) for part in _inner(node))
    return sizes[id(node)]


def _scalars(node: Any, seen: set[int]) -> Iterator[str]:
    """The texts under a node, each once."""
    if id(node) not in seen:
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            yield str(node.value)
        for part in _inner(node):
            yield from _scalars(part, seen)


def _under(name: str, node: Any, seen: set[int]) -> Iterator[str]:
    """The texts of each key of a name under a node; a text in place of the node of Hydra may stand for any."""
    if id(node) not in seen:
        seen.add(id(node))
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.value == name or (key.value == "hydra" and isinstance(value, yaml.ScalarNode)):
                yield from _scalars(value, set())
        for part in _inner(node):
            yield from _under(name, part, seen)
