"""What a run was begun with, by a version of lth that had other defaults."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli.rundir import names, within
from lth_cli.rundir.command import take_apart
from lth_cli.rundir.config import flat, parse_config, read_config
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.manifest import Manifest, sha256
from lth_cli.rundir.record import read_record
from lth_cli.rundir.sameness import BEFORE

_LONGEST = 1000  # characters of a value


def as_begun(path: Path, config: DictConfig, overrides: Sequence[str]) -> None:
    """Where a run began with a version of lth that had other keys or another recipe, take what that version did.

    What is overridden stays: a key that it lacked; and all of the recipe, where some of it is typed only now.
    """
    with suppress(Damaged, KeyError, TypeError, ValueError, OmegaConfBaseException):  # what is recorded may be anything
        old, new = (dict(flat(each)) for each in (read_config(path), parse_config(OmegaConf.to_yaml(config))))
        typed = {text.lstrip("+").partition("=")[0] for text in overrides}
        for key in (BEFORE.keys() & new.keys()) - old.keys() - typed:
            OmegaConf.update(config, key, BEFORE[key])
        now = set(overrides) - set(take_apart(read_record(path)["command"]))
        if any(text.startswith(("train", "+", "~")) for text in now) or not _is_as_written(path, names.CONFIG):
            return
        for key in old.keys() & new.keys():
            if key.startswith("train.") and old[key] != new[key] and _is_plain(old[key]):
                OmegaConf.update(config, key, old[key])


def _is_plain(value: object) -> bool:
    """Whether it is what a recipe has, and no interpolation: the file may be somebody else's."""
    text = str(value)
    return "$" not in text and len(text) < _LONGEST


def _is_as_written(path: Path, name: str) -> bool:
    with suppress(OSError):
        return Manifest.load(path).files.get(name) == sha256(within.read(path, name))
    return False
