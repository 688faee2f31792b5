"""Reading run.json: what a run says of itself."""

import json
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lth_cli.core.counts import Counts
from lth_cli.rundir import names
from lth_cli.rundir.columns import FORMAT, MOST_COUNTED
from lth_cli.rundir.damaged import OutOfReach, parsed

Record = dict[str, Any]

_KINDS = {
    "status": str,
    "started": str,
    "choices": dict,
    "parameters": int,
    "prunable_weights": int,
    "iterations": int,
    "flops_per_example": int,
    "layers": dict,
    "pid": int,
    "test_examples": int,
    "data_sha256": str,
    "seeds": list,
    "keep": list,
    "code": dict,
    "diverged": list,
    "notes": list,
    "resumed": list,
}
_OF_RESULTS = (
    *("format", "status", "started", "choices", "parameters", "test_examples", "flops_per_example"),
    *("layers", "data_sha256", "diverged"),
)
_DECIDE = ("keep", "diverged")  # which rounds there are, and which arms are in them
_MOST_CHOICES = 100
_STATUSES = ("running", "done", "failed", "interrupted")


def read_record(path: Path) -> Record:
    """run.json of a run directory, checked; raises Damaged."""
    return parsed(path, names.RECORD, _parse)


def read_in_part(path: Path) -> tuple[Record, list[str]]:
    """The same without what is malformed and decides nothing of how a run goes on, and a line for each of these.

    Raises:
        Damaged: it cannot be read, or what is malformed decides something.
    """
    return parsed(path, names.RECORD, _parse_in_part)


def of_results(record: Record) -> Record:
    """What results are made of: the rest is as much again, and there may be thousands of runs."""
    kept = {key: record[key] for key in _OF_RESULTS if key in record}
    return {**kept, "layers": dict.fromkeys(kept["layers"])} if "layers" in kept else kept


def status(record: Record) -> str:
    """What it says, or killed, where it says running, but its process is gone."""
    here = record.get("host") == platform.node()
    if record["status"] == "running" and here and not _alive(record.get("pid")):
        return "killed"
    return str(record["status"])


def _parse(text: str) -> Record:
    record = _document(text)
    for _, wrong in _faults(record):
        raise ValueError(wrong)
    return record


def _parse_in_part(text: str) -> tuple[Record, list[str]]:
    record = _document(text)
    faults = dict(_faults(record))
    for key, wrong in faults.items():
        if key in _DECIDE:
            raise ValueError(wrong)
    return {key: value for key, value in record.items() if key not in faults}, list(faults.values())


def _document(text: str) -> Record:
    record = json.loads(text)
    if not isinstance(record, dict) or type(record.get("format")) is not int or record["format"] < 1:
        raise ValueError("not the record of a run")
    if record["format"] > FORMAT:
        raise OutOfReach(f"format {record['format']}, but this version of lth reads up to {FORMAT}")
    return record


def _faults(record: Record) -> Iterator[tuple[str, str]]:
    """What is no claim of a run, by key, and what is wrong with it."""
    for key, kind in _KINDS.items():
        value = record.get(key)
        if key in record and (type(value) is not kind or (kind is int and not 1 <= record[key] <= MOST_COUNTED)):
            yield key, f"{key} is {str(value)[:40]}"
        elif key in record and (wrong := _ODD.get(key, lambda value: None)(value)) is not None:
            yield key, wrong
    if not isinstance(record.get("ended"), str | None):
        yield "ended", f"ended is {str(record['ended'])[:40]}"
    if "status" not in record:
        yield "status", "status is None"


def _odd_status(status: str) -> str | None:
    return None if status in _STATUSES else f"status is {status[:40]}"


def _odd_choices(choices: dict[str, Any]) -> str | None:
    if len(choices) > _MOST_CHOICES or not all(isinstance(option, str) for option in choices.values()):
        return f"choices is {str(choices)[:40]}: at most {_MOST_CHOICES} names"
    return None


def _odd_counts(keep: list[Any]) -> None:
    for kept in keep:
        Counts.parse(kept)


def _odd_seeds(seeds: list[Any]) -> str | None:
    return None if all(map(_is_counted, seeds)) else f"seeds are not whole numbers up to {MOST_COUNTED:,}"


def _odd_diverged(diverged: list[Any]) -> str | None:
    for one in diverged:
        if not isinstance(one, dict) or not (
            all(_is_counted(one.get(key)) for key in ("round", "seed"))
            and all(isinstance(one.get(key), str) for key in ("arm", "what"))
        ):
            return f"diverged holds {str(one)[:40]}"
    return None


def _is_counted(value: object) -> bool:
    """Whether it is a number of something; of larger ones, a file may name thousands with one hash."""
    return type(value) is int and 0 <= value <= MOST_COUNTED


def _odd_resumed(resumed: list[Any]) -> str | None:
    for one in resumed:
        if not isinstance(one, dict) or not isinstance(one.get("at"), str) or not isinstance(one.get("was", {}), dict):
            return f"resumed holds {str(one)[:40]}"
    return None


_ODD: dict[str, Callable[[Any], str | None]] = {
    "status": _odd_status,
    "choices": _odd_choices,
    "keep": _odd_counts,
    "seeds": _odd_seeds,
    "diverged": _odd_diverged,
    "resumed": _odd_resumed,
}
"""What is wrong with a claim of the right kind, by its key."""


def _alive(pid: Any) -> bool:
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError, OverflowError):
        return False
    except OSError:
        return True
    return True
