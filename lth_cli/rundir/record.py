"""Reading run.json: what a run says of itself."""

import json
import os
import platform
from pathlib import Path
from typing import Any

from lth_cli.core.counts import Counts
from lth_cli.rundir import names
from lth_cli.rundir.columns import FORMAT
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
    "seeds": list,
    "keep": list,
    "code": dict,
    "diverged": list,
    "notes": list,
    "resumed": list,
}
_MOST_CHOICES = 100
_STATUSES = ("running", "done", "failed", "interrupted")


def read_record(path: Path) -> Record:
    """run.json of a run directory, checked; raises Damaged."""
    return parsed(path, names.RECORD, _parse)


def status(record: Record) -> str:
    """What it says, or killed, where it says running, but its process is gone."""
    here = record.get("host") == platform.node()
    if record["status"] == "running" and here and not _alive(record.get("pid")):
        return "killed"
    return str(record["status"])


def _parse(text: str) -> Record:
    record = json.loads(text)
    if not isinstance(record, dict) or type(record.get("format")) is not int or record["format"] < 1:
        raise ValueError("not the record of a run")
    if record["format"] > FORMAT:
        raise OutOfReach(f"format {record['format']}, but this version of lth reads up to {FORMAT}")
    for key, kind in _KINDS.items():
        if key in record and (type(record[key]) is not kind or (kind is int and record[key] < 1)):
            raise ValueError(f"{key} is {str(record[key])[:40]}")
    choices = record.get("choices", {})
    if len(choices) > _MOST_CHOICES or not all(isinstance(option, str) for option in choices.values()):
        raise ValueError(f"choices is {str(choices)[:40]}: at most {_MOST_CHOICES} names")
    for kept in record.get("keep", []):
        Counts.parse(kept)
    if not all(type(seed) is int for seed in record.get("seeds", [])):
        raise ValueError("seeds are not whole numbers")
    for one in record.get("diverged", []):
        kinds = (("round", int), ("seed", int), ("arm", str), ("what", str))
        if not isinstance(one, dict) or not all(type(one.get(key)) is kind for key, kind in kinds):
            raise ValueError(f"diverged holds {str(one)[:40]}")
    for one in record.get("resumed", []):
        if not isinstance(one, dict) or not isinstance(one.get("at"), str):
            raise ValueError(f"resumed holds {str(one)[:40]}")
    if not isinstance(record.get("ended"), str | None):
        raise ValueError(f"ended is {str(record['ended'])[:40]}")
    if record.get("status") not in _STATUSES:
        raise ValueError(f"status is {str(record.get('status'))[:40]}")
    return record


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
