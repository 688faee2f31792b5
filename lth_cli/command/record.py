"""What run.json says of a run, beside its status and times, and what must be said of it before it works."""

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from lth_cli.command.own_code import hashes
from lth_cli.datasets.fingerprint import fingerprint
from lth_cli.rundir.intact import Intact
from lth_cli.rundir.write import Writer
from lth_cli.setup.build import Experiment

_MOST_NOTES = 20  # of what is damaged: with each, run.json is written anew


def record_of(config: DictConfig, experiment: Experiment, source: Mapping[str, Any]) -> dict[str, Any]:
    """The experiment, its data, and the machine and versions that it runs on, beside what it was made from."""
    digest, duplicates = fingerprint(experiment.data)
    return {
        **source,
        "seeds": experiment.seeds,
        "parameters": experiment.parameters,
        "prunable_weights": sum(layer.size for layer in experiment.layers.values()),
        **experiment.in_state_dict,
        "layers": {name: {"kind": layer.kind, "weights": layer.size} for name, layer in experiment.layers.items()},
        "keep": [counts.plain() for counts in experiment.way.search.keep],
        "iterations": experiment.recipe.iterations,
        **({"flops_per_example": experiment.flops} if experiment.flops else {}),
        "rewind_to": experiment.way.search.rewind_to,
        "test_examples": len(experiment.data.test),
        "data_sha256": digest,
        "duplicates": duplicates,
        "device": _device_name(experiment.device),
        "executor": experiment.executor,
        "threads": torch.get_num_threads(),
        "host": platform.node(),
        "pid": os.getpid(),
        "git": _git(config.safe),
        "code": hashes(config),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("lth-cli", "torch", "numpy", "hydra-core", "omegaconf")},
        },
    }


def mark_unstarted(path: Path, config: DictConfig, source: Mapping[str, Any], error: BaseException) -> None:
    """Leave a record of a job of a sweep that was wrong, or interrupted, before it did any work."""
    writer = Writer(path, OmegaConf.to_yaml(config), source)
    writer.finish("interrupted" if isinstance(error, KeyboardInterrupt) else "failed", str(error))


def notes(record: Mapping[str, Any], experiment: Experiment, intact: Intact | None) -> Iterator[str]:
    """What must be said of this run before it works."""
    yield from experiment.way.notes
    for places, count in record["duplicates"].items():
        yield f"data: {count:,} images of {places.replace('_', ' are also in ')}"
    if intact is None or not intact.begun:
        return
    yield from intact.broken[:_MOST_NOTES]
    if len(intact.broken) > _MOST_NOTES:
        yield f"and {len(intact.broken) - _MOST_NOTES:,} more places that are missing or damaged"
    yield f"going on with round {intact.rounds}"
    for key in ("device", "executor", "threads", "versions"):
        if key in intact.record and intact.record[key] != record[key]:
            yield f"{key} was {intact.record.get(key)} and is {record[key]}: the last bits may differ from here on"
    old, new = intact.record.get("code", {}), record["code"]
    if changed := [name for name in new if old.get(name, new[name]) != new[name]]:
        yield f"code of your own has changed, {', '.join(changed)}: results may differ from here on"


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.processor() or platform.machine()}"


def _git(safe: bool) -> dict[str, Any] | None:
    """Commit and cleanliness of the working directory's repository, if it is one.

    To look for changes, git runs what the configuration of that repository names, such as its fsmonitor and filters.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": None if safe else bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
