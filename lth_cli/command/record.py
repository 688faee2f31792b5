"""What run.json says of a run, beside its status and times."""

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch

from lth_cli.datasets.fingerprint import fingerprint
from lth_cli.setup.build import Experiment


def record_of(experiment: Experiment, source: Mapping[str, Any], safe: bool) -> dict[str, Any]:
    """The experiment, its data, and the machine and versions that it runs on, beside what it was made from.

    Args:
        safe: whether git is not asked: it runs what the settings of a repository name, such as core.fsmonitor.
    """
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
        "rewind_to": experiment.way.search.rewind_to,
        "test_examples": len(experiment.data.test),
        "data_sha256": digest,
        "duplicates": duplicates,
        "device": _device_name(experiment.device),
        "executor": experiment.executor,
        "threads": torch.get_num_threads(),
        "host": platform.node(),
        "pid": os.getpid(),
        "git": None if safe else _git(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("lth-cli", "torch", "numpy", "hydra-core", "omegaconf")},
        },
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"{device.type}: {platform.processor() or platform.machine()}"


def _git() -> dict[str, Any] | None:
    """Commit and cleanliness of the working directory's repository, if it is one."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
