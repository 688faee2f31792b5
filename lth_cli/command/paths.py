"""Overrides whose value is a path, typed as it is: quoted for Hydra, whose grammar knows no ``=``, ``~`` or ``é``."""

import os
from collections.abc import Callable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from lth_cli.command import overrides

_PATHS = {
    "ticket": os.path.isfile,
    "output": os.path.isdir,
    "dataset.root": os.path.isdir,
    "hydra.run.dir": os.path.isdir,
    "hydra.sweep.dir": os.path.isdir,
}
"""By key, what shows that a path is there."""


def plain_paths(typed: list[str]) -> list[str]:
    """Quote what Hydra would not read as the path that it is; leave everything else as it is.

    A value that is there is one path, whatever is in it. Otherwise commas part it into several, a sweep, where all of
    them are there; each may have commas itself, and is as short as it can be. What is not there is Hydra's to read, and
    is one path where Hydra cannot. A value in quotes is Hydra's in any case: what is recorded stays what it was.
    """
    return [_quoted(text) for text in typed]


def _quoted(text: str) -> str:
    key, _, value = text.partition("=")
    is_there = _PATHS.get(key.lstrip("+"))
    if is_there is None or value.startswith(("'", '"')):
        return text
    paths = [value] if is_there(value) else _listed(value, is_there)
    if not paths and _can_be_read(text):
        return text
    return f"{key}={','.join(map(_for_hydra, paths or [value]))}"


def _listed(value: str, is_there: Callable[[str], bool]) -> list[str]:
    """The paths that commas part; none where one of them is not there."""
    found, piece = list[str](), ""
    for part in value.split(","):
        piece = f"{piece},{part}" if piece else part
        if is_there(piece):
            found.append(piece)
            piece = ""
    return [] if piece else found


def _for_hydra(path: str) -> str:
    """As it is where Hydra reads it so, as in the names of folders of sweeps; else in quotes."""
    plain = f"key={path}"
    is_plain = _can_be_read(plain) and OverridesParser.create().parse_override(plain).value() == path
    return path if is_plain else overrides.quoted("", path).removeprefix("=")


def _can_be_read(text: str) -> bool:
    try:
        OverridesParser.create().parse_override(text)
    except (HydraException, ValueError):
        return False
    return True
