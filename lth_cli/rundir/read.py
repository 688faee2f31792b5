"""Reading run directories. Nothing in them is executed, and torch is not imported."""

import csv
import io
import json
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FORMAT = 1

HISTORY: dict[str, type] = {
    "round": int,
    "arm": str,
    "seed": int,
    "density": float,
    "sparsity": float,
    "remaining": int,
    "total": int,
    "iterations": int,
    "test_accuracy": float,
    "test_loss": float,
    "val_accuracy": float,
    "val_loss": float,
    "early_stop_iteration": int,
    "early_stop_test_accuracy": float,
    "train_seconds": float,
    "examples_per_second": float,
}


class Damaged(Exception):
    """A run directory that cannot be read; the text says which file and why."""


@dataclass(frozen=True)
class Run:
    """What is read back of a run directory.

    Args:
        record: run.json.
        config: config.yaml.
        history: rows of history.csv, typed.
    """

    path: Path
    record: dict[str, Any]
    config: dict[str, Any]
    history: list[dict[str, Any]]

    @property
    def status(self) -> str:
        """done, failed, interrupted, running, or killed: it says running, but its process is gone."""
        status = str(self.record["status"])
        if status == "running" and self.record.get("host") == platform.node() and not _alive(self.record.get("pid")):
            return "killed"
        return status


def read(path: Path) -> Run:
    """Read a run directory; nothing in it is executed.

    Raises:
        Damaged: a file is missing, cannot be parsed, or needs a newer version of lth.
    """
    record = _parse(path / "run.json", json.loads)
    if not isinstance(record, dict) or not isinstance(record.get("format"), int) or "status" not in record:
        raise Damaged(f"{path / 'run.json'}: not the record of a run")
    if record["format"] > FORMAT:
        raise Damaged(f"{path / 'run.json'}: format {record['format']}, but this version of lth reads up to {FORMAT}")
    config = _parse(path / "config.yaml", yaml.safe_load)
    if not isinstance(config, dict):
        raise Damaged(f"{path / 'config.yaml'}: not a config")
    history = _parse(path / "history.csv", _read_history) if (path / "history.csv").exists() else []
    if record["status"] == "done" and not history:
        raise Damaged(f"{path / 'history.csv'}: missing or empty, although the run is done")
    return Run(path, record, config, history)


def find(path: Path) -> list[Path]:
    """The run directories at or below a folder, in order of their names; temporary and hidden folders are left out."""
    if (path / "run.json").exists():
        return [path]
    found = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "run.json" in files or ".hydra" in os.listdir(folder):
            found.append(Path(folder))
            folders.clear()
    return found


def latest(output: Path) -> Path | None:
    """The newest run or sweep of an output folder, by date and time in its name."""
    started = [path for day in output.glob("????-??-??") for path in day.iterdir() if path.is_dir()]
    return max(started, key=lambda path: (path.parent.name, _natural(path.name)), default=None)


def _parse(path: Path, parser: Callable[[str], Any]) -> Any:
    try:
        return parser(path.read_text())
    except FileNotFoundError:
        raise Damaged(f"{path}: missing") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise Damaged(f"{path}: {(str(error).splitlines() or [type(error).__name__])[0]}") from None


def _read_history(text: str) -> list[dict[str, Any]]:
    rows = list(csv.DictReader(io.StringIO(text)))
    if rows and set(HISTORY) - set(rows[0]):
        raise ValueError(f"no column {', '.join(sorted(set(HISTORY) - set(rows[0])))}")
    return [{column: kind(row[column]) for column, kind in HISTORY.items()} for row in rows]


def _alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError):
        return False
    except OSError:
        return True
    return True


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key in which 12-00-00_x-10 comes after 12-00-00_x-9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
