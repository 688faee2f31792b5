"""`lth run resume=DIR`: the command line of a run or sweep on disk, and what may change when it goes on."""

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from shlex import join
from typing import Any

from lth_cli.command import overrides
from lth_cli.command.line import Line
from lth_cli.core.counts import Counts
from lth_cli.core.spelling import brief, clean, to_type
from lth_cli.rundir import names, within
from lth_cli.rundir.command import take_apart
from lth_cli.rundir.config import flat, parse_config, parse_yaml, read_config
from lth_cli.rundir.damaged import UNREADABLE, Damaged, OutOfReach, parsed
from lth_cli.rundir.intact import Intact
from lth_cli.rundir.manifest import Manifest, sha256
from lth_cli.rundir.record import read_in_part
from lth_cli.rundir.sameness import BEFORE, may_change, may_grow
from lth_cli.rundir.sweep import hydras_overrides, read_sweep
from lth_cli.setup.own import own
from lth_cli.setup.schema import ConfigError

# What may be recorded of Hydra: how a sweep's jobs are started, by launchers that are installed, and not too many.
_OURS = re.compile(
    r"hydra/launcher=\w+|hydra\.launcher\.n_jobs=-?\d{1,2}|hydra\.mode=(RUN|MULTIRUN)|hydra\.(run|sweep)\.dir=.*"
)
_FLAGS = re.compile(r"-m|--config-dir=.*|--config-name=.*")


def command(path: Path) -> tuple[list[str], bool]:
    """The arguments of `lth run` that a run or sweep was started with, and whether it is a sweep.

    Where our own record is missing or damaged, Hydra's tells the overrides; only a --config-dir must be typed again.

    Raises:
        ConfigError: there is no run or sweep in `path`.
        Damaged: neither record can be read, or what it says is no command of ours.
    """
    sweep = (path / names.SWEEP).exists() or (path / names.HYDRA_SWEEP).exists()
    if not sweep and not (path / "run.json").exists() and not (path / ".hydra").exists():
        raise ConfigError(f"resume={path}: no run or sweep is there")
    file = path / (names.SWEEP if sweep else names.RECORD)
    try:
        record = _sweep_record(path) if sweep else read_in_part(path)[0]
    except OutOfReach:
        raise
    except Damaged as damaged:
        return _printable(path, _overrides(path, sweep, damaged)), sweep
    try:
        words = take_apart(record["command"])
    except (KeyError, ValueError, TypeError) as error:
        raise Damaged(f"{file}: no command: {error}") from None
    if words[:2] != ["lth", "run"]:
        raise Damaged(f"{file}: the command is not lth run")
    return _printable(path, words[2:]), sweep


def _printable(path: Path, words: list[str]) -> list[str]:
    """Arguments, which Hydra may print, without those that name a folder: it is `path`."""
    if not all(word.isprintable() for word in words):
        raise ConfigError(f"resume={path}: a command with control characters is recorded there")
    for word in words:  # before they are parsed: some options print something and end
        if word.startswith("-") and not _FLAGS.fullmatch(word):
            raise ConfigError(f"{_named(word)} is recorded there, and no option of a run")
    if len([word for word in words if re.match(r"[+~]*hydra\.mode\b", word)]) > 1:
        raise ConfigError(f"resume={path}: a command with several hydra.mode is recorded there")
    return [word for word in words if not re.match(r"\+*hydra\.(run|sweep)\.dir=", word)]


def refuse_steering(path: Path, recorded: Line, typed: Line, merged: Line) -> None:
    """Refuse what only the record asks of Hydra: it would decide where files go, and what runs.

    Under ``safe=true``, a folder of YAML that only the record names is refused, too, where data and tickets are read
    from, and a download, and an interpolation: a few lines of them stand for more text than there is memory, and one
    may be a secret of the environment.

    Raises:
        ConfigError: naming it, as a shell takes it; whoever wants it types it again.
    """
    for text in merged.overrides:
        key = text.lstrip("+~").partition("=")[0]
        of_hydra = re.match(r"hydra\b", key) or re.search(r"@.*\bhydra\b", key)
        if of_hydra and text not in typed.overrides and text in recorded.overrides and not _OURS.fullmatch(text):
            raise ConfigError(f"{_named(text)} is recorded there; type it again if it is yours")
    typed_options, options = typed.options, merged.options
    if overrides.says_yes(merged.overrides, "safe"):
        for text in merged.overrides:
            if text not in typed.overrides and (overrides.interpolates(text) or overrides.reaches_out(text)):
                raise ConfigError(f"{_named(text)} is recorded there; under safe=true type it again")
        for flag in ("config_dir", "config_name"):
            if getattr(options, flag) is not None and getattr(typed_options, flag) is None:
                said = f"--{flag.replace('_', '-')}={getattr(options, flag)}"
                raise ConfigError(f"{_named(said)} is recorded there; under safe=true type it again")


def _named(text: str) -> str:
    """What is to be typed again; where that is too long to be shown whole, what it is of."""
    return to_type(text) or f"{brief(text.partition('=')[0], width=60)}, of {len(text):,} characters,"


def record_sweep(path: Path, arguments: Sequence[str], expected: int, jobs: Sequence[str]) -> None:
    """Write what `command` reads of a sweep, and what its jobs are.

    Where it goes on without some of its jobs, these are expected still, and its command stays the one that has them.

    Args:
        expected: how many jobs there must be, at least.
        jobs: their names, as far as they are known.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    words = join(["lth", "run", *arguments])
    document = {"format": 1, "command": words, "started": started, "expected": expected, "jobs": list(jobs)}
    with suppress(Damaged):
        before, (was, others, _) = _sweep_record(path), read_sweep(path)
        if not set(others) <= set(jobs) or expected < (was or 0):
            every = list(dict.fromkeys((*others, *jobs))) if others else []
            document = {**before, "expected": len(every) or max(expected, was or 0), "jobs": every}
    within.write(path, names.SWEEP, json.dumps(document, indent=2).encode() + b"\n")


def is_complete(intact: Intact, config: str) -> bool:
    """Whether a run is done with just this config, and all of it is on disk as it was written."""
    return intact.done and not _changed(intact.path, config)


def check_config(path: Path, config: str) -> bool:
    """Refuse to go on in a run directory with another config; rounds and schedule are for `check_rounds` to check.

    Args:
        config: the new one, resolved, as YAML.

    Returns:
        Whether the run has begun with other rounds, or another schedule.

    Raises:
        ConfigError: naming the keys that differ.
        Damaged: config.yaml cannot be read, or run.json is of a newer version.
    """
    changed = _changed(path, config) if _has_begun(path) else {}
    if refused := {key: both for key, both in changed.items() if not may_grow(key)}:
        listed = ", ".join(f"{key} (was {old}, not {new})" for key, (old, new) in refused.items())
        raise ConfigError(f"{clean(listed)}: a run goes on with the config that it was started with")
    return bool(changed)


def check_rounds(intact: Intact, keep: Sequence[Counts], data_sha256: str | None = None) -> None:
    """Refuse to go on where the rounds that are done would have been others.

    Args:
        keep: what the rounds of the new config keep.
        data_sha256: of its data, where it has been read.

    Raises:
        ConfigError: naming the first such round.
    """
    new = [counts.plain() for counts in keep]
    old = intact.record.get("keep", new)
    for round in range(intact.rounds):
        if list(old[round : round + 1]) != new[round : round + 1]:
            there = f"{new[round]}" if round < len(new) else "it is left out"
            raise ConfigError(
                f"rounds, sparsity: round {round} is done and keeps {old[round]} weights; here {there}\n"
                "     more rounds need a schedule under which the rounds that are done stay as they are"
                f"{_same_rounds(intact.path, len(old) - 1, len(new) - 1) if round < len(new) else ''}"
            )
    if data_sha256 is not None and intact.record.get("data_sha256", data_sha256) != data_sha256:
        raise ConfigError("dataset: not the data that this run was started with")


def _same_rounds(path: Path, rounds: int, more: int) -> str:
    """``: sparsity.target=…``, where the schedule of a run of `rounds` has a target for it."""
    with suppress(ValueError, TypeError, ArithmeticError):  # of a config or a record that was edited
        target_of = getattr(own("sparsity", read_config(path).get("sparsity")), "target_of", None)
        if target_of is not None and 0 <= (target := target_of(more, rounds)) < 1:
            return f": sparsity.target={target}"
    return ""


def _has_begun(path: Path) -> bool:
    """Whether a run has begun there. Where run.json is lost, or less than it was, other files still show it."""
    try:
        return "keep" in read_in_part(path)[0] or (path / names.MANIFEST).exists()
    except OutOfReach:
        raise
    except Damaged:
        return (path / "config.yaml").exists()


def _changed(path: Path, config: str) -> dict[str, tuple[Any, Any]]:
    """The keys that differ, with both values; one that the old version of lth did not have is what that version did."""
    with suppress(Damaged):
        if Manifest.load(path).files.get("config.yaml") == sha256(config.encode()):
            return {}
    both = (read_config(path), parse_config(config))  # of which what is empty has no key that could differ
    old, new = (BEFORE | {key: value for key, value in flat(each) if value != {}} for each in both)
    added = {key for key in new if key not in old and "." not in key}
    return {
        key: (old.get(key), new.get(key))
        for key in sorted((old.keys() | new.keys()) - added)
        if old.get(key) != new.get(key) and not may_change(key)
    }


def _sweep_record(path: Path) -> dict[str, Any]:
    file, record = path / names.SWEEP, parsed(path, names.SWEEP, json.loads)
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise Damaged(f"{file}: not the record of a sweep")
    if record["format"] > 1:
        raise OutOfReach(f"{file}: format {record['format']}, but this version of lth reads up to 1")
    return record


def _overrides(path: Path, sweep: bool, damaged: Damaged) -> list[str]:
    """The arguments of a run or sweep as Hydra recorded them; raises `damaged` where it did not."""
    try:
        found = hydras_overrides(path) if sweep else parse_yaml(within.read(path, names.HYDRA_RUN).decode())
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise damaged
        take_apart(join(found))
    except UNREADABLE:
        raise damaged from None
    return [*(["-m"] if sweep else []), *found]
