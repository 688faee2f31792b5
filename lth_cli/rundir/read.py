"""Reading run directories. Nothing in them is executed, and torch is not imported."""

import csv
import io
import json
import math
import os
import platform
import re
from collections.abc import Callable, Mapping
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
LAYERS: dict[str, type] = {"round": int, "arm": str, "seed": int, "layer": str, "remaining": int, "total": int}
CURVES: dict[str, type] = {
    "round": int,
    "arm": str,
    "seed": int,
    "iteration": int,
    "train_loss": float,
    "val_loss": float,
    "val_accuracy": float,
    "test_loss": float,
    "test_accuracy": float,
}
TABLES = {"history.csv": HISTORY, "layers.csv": LAYERS, "curves.csv": CURVES}

# Keys of the config that say where and how to work, not what is computed.
MANNER = ("device", "output", "safe", "on_divergence", "executor", "checkpoint_every", "profile")

_RECORD = {
    "status": str,
    "started": str,
    "choices": dict,
    "parameters": int,
    "pid": int,
    "test_examples": int,
    "seeds": list,
    "keep": list,
    "diverged": list,
}
UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, csv.Error, yaml.YAMLError)
_FRACTIONS = ("density", "sparsity", "test_accuracy", "val_accuracy", "early_stop_test_accuracy")


class Damaged(Exception):
    """A run directory that cannot be read; the text says which file and why."""


class Newer(Damaged):
    """A run directory that a newer version of lth wrote."""


@dataclass(frozen=True)
class Run:
    """What is read back of a run directory.

    Args:
        status: done, failed, interrupted, running, or killed: it says running, but its process is gone.
        record: run.json.
        config: config.yaml.
        history: rows of history.csv, typed and within their ranges.
    """

    path: Path
    status: str
    record: dict[str, Any]
    config: dict[str, Any]
    history: list[dict[str, Any]]


def read(path: Path) -> Run:
    """Read a run directory; nothing in it is executed.

    Raises:
        Damaged: a file is missing, cannot be parsed, says what cannot be, or needs a newer version of lth.
    """
    record, config = read_record(path), read_config(path)
    history = _parse(path / "history.csv", _read_history) if (path / "history.csv").exists() else []
    status = record["status"]
    if status == "running" and record.get("host") == platform.node() and not _alive(record.get("pid")):
        status = "killed"
    if status == "done":
        _check_complete(path / "history.csv", record, history)
    return Run(path, status, record, config, history)


def read_record(path: Path) -> dict[str, Any]:
    """run.json of a run directory, checked; raises Damaged, or Newer."""
    record: dict[str, Any] = _parse(path / "run.json", _parse_record)
    return record


def read_config(path: Path) -> dict[str, Any]:
    """config.yaml of a run directory; raises Damaged."""
    config: dict[str, Any] = _parse(path / "config.yaml", parse_config)
    return config


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
    except Newer as newer:
        raise Newer(f"{path}: {newer}") from None
    except UNREADABLE as error:
        raise Damaged(f"{path}: {(str(error).splitlines() or [type(error).__name__])[0]}") from None


def _parse_record(text: str) -> dict[str, Any]:
    record = json.loads(text)
    if not isinstance(record, dict) or not isinstance(record.get("format"), int):
        raise ValueError("not the record of a run")
    if record["format"] > FORMAT:
        raise Newer(f"format {record['format']}, but this version of lth reads up to {FORMAT}")
    for key, kind in _RECORD.items():
        if key in record and (not isinstance(record[key], kind) or (kind is int and record[key] < 1)):
            raise ValueError(f"{key} is {str(record[key])[:40]}")
    if not all(isinstance(seed, int) for seed in record.get("seeds", [])):
        raise ValueError("seeds are not whole numbers")
    for one in record.get("diverged", []):
        whole = isinstance(one, dict) and isinstance(one.get("round"), int) and isinstance(one.get("seed"), int)
        if not (whole and {"arm", "what"} <= one.keys()):
            raise ValueError(f"diverged holds {str(one)[:40]}")
    if record.get("status") not in ("running", "done", "failed", "interrupted"):
        raise ValueError(f"status is {str(record.get('status'))[:40]}")
    return record


def parse_config(text: str) -> dict[str, Any]:
    """A config written by `lth`: plain values, which can be written as JSON, and no aliases.

    Raises:
        ValueError, yaml.YAMLError: it is not that.
    """
    config = parse_yaml(text)
    if not isinstance(config, dict):
        raise ValueError("not a config")
    json.dumps(config, sort_keys=True)
    return config


def parse_yaml(text: str) -> Any:
    """Plain values, no aliases; raises ValueError, yaml.YAMLError."""
    return yaml.load(text, _Plain)


class _Plain(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):  # a few lines of aliases may stand for a million values
            raise ValueError("an alias, which no run writes")
        return super().compose_node(parent, index)


def parse_table(text: str, columns: Mapping[str, type]) -> list[dict[str, Any]]:
    """The rows of a table, typed.

    Raises:
        ValueError, csv.Error: a column is missing, or a value is not of its type.
    """
    rows = list(csv.DictReader(io.StringIO(text)))
    if rows and set(columns) - set(rows[0]):
        raise ValueError(f"no column {', '.join(sorted(set(columns) - set(rows[0])))}")
    return [{column: kind(row[column]) for column, kind in columns.items()} for row in rows]


def _read_history(text: str) -> list[dict[str, Any]]:
    history = parse_table(text, HISTORY)
    for line, row in enumerate(history, start=2):
        for column, value in row.items():
            top = 1.0 if column in _FRACTIONS else math.inf
            if not isinstance(value, str) and not (0 <= value <= top and math.isfinite(value)):
                raise ValueError(f"line {line}: {column} is {value}")
        if not re.fullmatch(r"[\w-]+", row["arm"]):  # it names a file
            raise ValueError(f"line {line}: arm is {row['arm'][:40]!r}")
        untrained = row["iterations"] == 0 and row["arm"] != "dense"
        if (row["early_stop_iteration"] < 1 and not untrained) or row["remaining"] > row["total"]:
            raise ValueError(f"line {line}: numbers that cannot be")
    return history


def _check_complete(path: Path, record: dict[str, Any], history: list[dict[str, Any]]) -> None:
    """Of a run that is done, each round of each seed must be there, up to where it diverged."""
    there = {(row["round"], row["seed"]) for row in history if row["arm"] in ("dense", "winning")}
    rounds = len(record.get("keep", [0]))
    end = dict.fromkeys(record.get("seeds", []), rounds)
    for one in record.get("diverged", []):
        if one["arm"] in ("dense", "winning") and one["seed"] in end:
            end[one["seed"]] = min(end[one["seed"]], one["round"])
    expected = {(round, seed) for seed, last in end.items() for round in range(last)}
    if not history or expected - there:
        missing = min(expected - there, default=(0, 0))
        raise Damaged(f"{path}: round {missing[0]} of seed {missing[1]} is missing, although the run is done")


def _alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, TypeError, ValueError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _natural(name: str) -> list[tuple[int, str]]:
    """A sort key in which 12-00-00_x-10 comes after 12-00-00_x-9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
