"""Reading run.json: what a run says of itself."""

import json
import os
import platform
from pathlib import Path
from typing import Any

from lth_cli.core.counts import Counts
from lth_cli.rundir import names
from lth_cli.rundir.columns import FORMAT
from lth_cli.rundir.damaged import Newer, parsed

Record = dict[str, Any]

_KINDS = {
    "status": str,
    "started": str,
    "choices": dict,
    "parameters": int,
    "prunable_weights": int,
    "iterations": int,
    "layers": dict,
    "pid": int,
    "test_examples": int,
    "seeds": list,
    "keep": list,
    "diverged": list,
}
_STATUSES = ("running", "done", "failed", "interrupted")


def read_record(path: Path) -> Record:
    """run.json of a run directory, checked; raises Damaged, or Newer."""
    return parsed(path, names.RECORD, _parse)


def status(record: Record) -> str:
    """What it says, or killed, where it says running, but its process is gone."""
    here = record.get("host") == platform.node()
    if record["status"] == "running" and here and not _alive(record.get("pid")):
        return "killed"
    return str(record["status"])


def _parse(text: str) -> Record:
    record = json.loads(text)
    if not isinstance(record, dict) or not isinstance(record.get("format"), int) or record["format"] < 1:
        raise ValueError("not the record of a run")
    if record["format"] > FORMAT:
        raise Newer(f"format {record['format']}, but this version of lth reads up to {FORMAT}")
    for key, kind in _KINDS.items():
        if key in record and (type(record[key]) is not kind or (kind is int and record[key] < 1)):
            raise ValueError(f"{key} is {str(record[key])[:40]}")
    if any(isinstance(choice, list | dict) for choice in record.get("choices", {}).values()):
        raise ValueError(f"choices is {str(record['choices'])[:40]}")
    for kept in record.get("keep", []):
        Counts.parse(kept)
    if not all(type(seed) is int for seed in record.get("seeds", [])):
        raise ValueError("seeds are not whole numbers")
    for one in record.get("diverged", []):
        whole = isinstance(one, dict) and isinstance(one.get("round"), int) and isinstance(one.get("seed"), int)
        if not (whole and {"arm", "what"} <= one.keys()):
            raise ValueError(f"diverged holds {str(one)[:40]}")
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
