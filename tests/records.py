"""Runs by hand, as they are read from a disk."""

from pathlib import Path
from typing import Any

from lth_cli.rundir.read import Run


def run(accuracies: dict[tuple[int, str, int], float], **config: Any) -> Run:
    """A run with the test accuracy of each (round, arm, seed); 1,000 weights, a tenth of them kept per round."""
    history = [
        {
            "round": round, "arm": arm, "seed": seed, "density": 0.1**round, "sparsity": 1 - 0.1**round,
            "remaining": round_to(1000, round), "total": 1000, "iterations": 100, "test_accuracy": accuracy,
            "test_loss": 0.1, "val_accuracy": accuracy, "val_loss": 0.1,
            "early_stop_iteration": 50 if arm == "winning" else 100, "early_stop_test_accuracy": accuracy,
            "train_seconds": 1.0, "examples_per_second": 1.0,
        }
        for (round, arm, seed), accuracy in accuracies.items()
    ]  # fmt: skip
    record = {"status": "done", "parameters": 1010, "choices": {"model": "m", "dataset": "d"}, "started": "2026"}
    return Run(Path("run"), "done", {**record, **config.pop("record", {})}, {"rounds": 1, **config}, history)


def round_to(total: int, round: int) -> int:
    return total // 10**round
