"""Writing a run directory."""

import csv
import errno
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from lth_cli import masks
from lth_cli.masks import Mask
from lth_cli.rewind import State
from lth_cli.rundir.files import write
from lth_cli.rundir.read import FORMAT, HISTORY
from lth_cli.ticket import Ticket
from lth_cli.training.jobs import Evaluation, Fitted

CURVES = ["round", "arm", "seed", *(field.name for field in fields(Evaluation))]
LAYERS = ["round", "arm", "seed", "layer", "remaining", "total"]


class Writer:
    """Writes one run directory: config and record at the start, each round when it is finished, the end.

    Args:
        path: an existing folder without a run.
        config: resolved, as YAML.
        record: what run.json says beside format, status and times.

    Raises:
        FileExistsError: there is a run in `path`.
    """

    def __init__(self, path: Path, config: str, record: Mapping[str, Any]) -> None:
        if (path / "run.json").exists():
            raise FileExistsError(errno.EEXIST, "another run is in this folder", str(path))
        self.path = path
        self.record = {"format": FORMAT, "status": "running", **record, "started": _now(), "ended": None}
        write(path / "config.yaml", config.encode())
        self._save_record()

    def note(self, text: str) -> None:
        """Keep a remark about the run, such as an emptied layer, in run.json."""
        self.record["notes"] = [*self.record.get("notes", []), text]
        self._save_record()

    def round(self, fitted: Sequence[Fitted]) -> None:
        """Write a finished round: its states first, then the rows that make it count."""
        for one in fitted:
            job = one.job
            folder = self.path / "rounds" / f"{job.round:02d}"
            save_state(folder / f"{job.arm}_seed{job.seed}.safetensors", job.mask, one.state)
            if one.saved is not None:
                save_state(folder / f"rewind_seed{job.seed}.safetensors", {}, one.saved)
        _append(self.path / "curves.csv", CURVES, [row for one in fitted for row in _curve_rows(one)])
        _append(self.path / "layers.csv", LAYERS, [row for one in fitted for row in _layer_rows(one)])
        _append(self.path / "history.csv", list(HISTORY), [history_row(one) for one in fitted])

    def ticket(self, fitted: Fitted) -> None:
        """Write the ticket of one seed: its mask with the weights it starts from."""
        job, row = fitted.job, history_row(fitted)
        kept = ("round", "seed", "density", "remaining", "total")
        accuracies = ("test_accuracy", "val_accuracy", "early_stop_iteration", "early_stop_test_accuracy")
        Ticket(
            mask=job.mask,
            weights=job.start.state.params,
            buffers=job.start.state.buffers,
            metadata={
                **{key: row[key] for key in (*kept, *accuracies)},
                "schedule_position": job.start.schedule,
                "order_position": job.start.order,
                "iterations": job.start.iterations,
                "sha256": {"mask": _sha256(job.mask), "weights": _sha256(job.start.state.params)},
                "config": (self.path / "config.yaml").read_text(),
            },
        ).save(self.path / "tickets" / f"seed{job.seed}.safetensors")

    def finish(self, status: str, error: str | None = None) -> None:
        """Say how the run ended: done, failed or interrupted."""
        self.record.update(status=status, ended=_now())
        if error is not None:
            self.record["error"] = error
        self._save_record()

    def _save_record(self) -> None:
        write(self.path / "run.json", json.dumps(self.record, indent=2).encode() + b"\n")


def history_row(fitted: Fitted) -> dict[str, Any]:
    """The row of history.csv of one arm."""
    job, last, early = fitted.job, fitted.curve[-1], fitted.early_stop
    remaining, total = masks.remaining(job.mask), masks.total(job.mask)
    return {
        "round": job.round,
        "arm": job.arm,
        "seed": job.seed,
        "density": masks.density(job.mask),
        "sparsity": (total - remaining) / total,
        "remaining": remaining,
        "total": total,
        "iterations": job.start.iterations,
        "test_accuracy": last.test_accuracy,
        "test_loss": last.test_loss,
        "val_accuracy": last.val_accuracy,
        "val_loss": last.val_loss,
        "early_stop_iteration": early.iteration,
        "early_stop_test_accuracy": early.test_accuracy,
        "train_seconds": round(fitted.seconds, 3),
        "examples_per_second": round(fitted.examples / fitted.seconds, 1),
    }


def save_state(path: Path, mask: Mask, state: State) -> None:
    """Mask, parameters and buffers as mask/…, params/… and buffers/… of one safetensors file."""
    tensors = {f"mask/{name}": m.cpu() for name, m in mask.items()}
    tensors |= {f"params/{name}": p for name, p in state.params.items()}
    tensors |= {f"buffers/{name}": b for name, b in state.buffers.items()}
    write(path, safetensors.torch.save(tensors))


def _curve_rows(fitted: Fitted) -> Iterable[dict[str, Any]]:
    job = fitted.job
    return ({"round": job.round, "arm": job.arm, "seed": job.seed, **asdict(point)} for point in fitted.curve)


def _layer_rows(fitted: Fitted) -> Iterable[dict[str, Any]]:
    job = fitted.job
    for name, kept in masks.layer_counts(job.mask).items():
        row = {"round": job.round, "arm": job.arm, "seed": job.seed, "layer": name}
        yield {**row, "remaining": kept, "total": job.mask[name].numel()}


def _append(path: Path, header: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows by writing the whole file anew under a temporary name."""
    text = io.StringIO()
    table = csv.DictWriter(text, header, lineterminator="\n")
    if path.exists():
        text.write(path.read_text())
    else:
        table.writeheader()
    table.writerows(rows)
    write(path, text.getvalue().encode())


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    """Over names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, t in sorted(tensors.items()):
        digest.update(f"{name} {t.dtype} {tuple(t.shape)} ".encode() + t.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
