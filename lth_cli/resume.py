"""`lth run resume=DIR`: the command line of a run or sweep on disk, and what may change when it goes on."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lth_cli.budget import Keep
from lth_cli.config import ConfigError
from lth_cli.rundir.files import write
from lth_cli.rundir.kept import Kept
from lth_cli.rundir.manifest import Manifest, sha256
from lth_cli.rundir.read import MANNER, Damaged, parse_config, read_config, read_record

_FREE_DATA = ("dataset.root", "dataset.download", "dataset.debian")  # the data itself is compared by its hash
# These may grow, as long as the rounds that are done stay what they are.
_LENGTH = ("rounds", "sparsity")


def command(path: Path) -> tuple[list[str], bool]:
    """The arguments of `lth run` that a run or sweep was started with, and whether it is a sweep.

    Raises:
        ConfigError: there is no run or sweep in `path`.
        Damaged: its record cannot be read.
    """
    sweep = (path / "sweep.json").exists()
    if not sweep and not (path / "run.json").exists():
        raise ConfigError(f"resume={path}: no run or sweep is there")
    file = path / ("sweep.json" if sweep else "run.json")
    record = _sweep_record(file) if sweep else read_record(path)
    try:
        words = shlex.split(record["command"])
    except (KeyError, ValueError, AttributeError) as error:
        raise Damaged(f"{file}: no command: {error}") from None
    if words[:2] != ["lth", "run"]:
        raise Damaged(f"{file}: the command is not lth run")
    return words[2:], sweep


def record_sweep(path: Path, arguments: Sequence[str]) -> None:
    """Write what `command` reads of a sweep."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    document = {"format": 1, "command": shlex.join(["lth", "run", *arguments]), "started": started}
    write(path / "sweep.json", json.dumps(document, indent=2).encode() + b"\n")


def is_complete(kept: Kept, config: str) -> bool:
    """Whether a run is done with just this config, and all of it is on disk as it was written."""
    return kept.done and not _changed(kept.path, config)


def check_config(path: Path, config: str, may_grow: bool) -> None:
    """Refuse to go on in a run directory with another config.

    Args:
        config: the new one, resolved, as YAML.
        may_grow: whether rounds and schedule may differ, to be checked by `check_rounds`.

    Raises:
        ConfigError: naming the keys that differ.
        Damaged: run.json or config.yaml cannot be read.
    """
    if not (path / "run.json").exists() or "keep" not in read_record(path):
        return  # the run never began
    free = _LENGTH if may_grow else ()
    changed = {key: both for key, both in _changed(path, config).items() if key.partition(".")[0] not in free}
    if changed:
        listed = ", ".join(f"{key} (was {old}, not {new})" for key, (old, new) in changed.items())
        raise ConfigError(f"{listed}: a run goes on with the config that it was started with")


def check_rounds(kept: Kept, keep: Sequence[Keep], data_sha256: str) -> None:
    """Refuse to go on where the rounds that are done would have been others.

    Args:
        keep: what the rounds of the new config keep.
        data_sha256: of its data.

    Raises:
        ConfigError: naming the first such round.
    """
    old = kept.record.get("keep", keep)
    for round in range(kept.rounds):
        if list(old[round : round + 1]) != list(keep[round : round + 1]):
            there = f"{keep[round]}" if round < len(keep) else "it is left out"
            raise ConfigError(
                f"rounds, sparsity: round {round} is done and keeps {old[round]} weights; here {there}\n"
                "     more rounds need a schedule under which the rounds that are done stay as they are"
            )
    if kept.record.get("data_sha256", data_sha256) != data_sha256:
        raise ConfigError("dataset: not the data that this run was started with")


def _changed(path: Path, config: str) -> dict[str, tuple[Any, Any]]:
    """The keys that differ, with both values; a key that the old version of lth did not have has its default."""
    with suppress(Damaged):
        if Manifest.load(path).files.get("config.yaml") == sha256(config.encode()):
            return {}
    old, new = dict(_flat(read_config(path))), dict(_flat(parse_config(config)))
    added = {key for key in new if key not in old and "." not in key}
    return {
        key: (old.get(key), new.get(key))
        for key in sorted((old.keys() | new.keys()) - added)
        if old.get(key) != new.get(key) and key.partition(".")[0] not in MANNER and key not in _FREE_DATA
    }


def _flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _sweep_record(file: Path) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(f"{file}: {str(error)[:80]}") from None
    if not isinstance(record, dict) or record.get("format") != 1:
        raise Damaged(f"{file}: not the record of a sweep")
    return record
