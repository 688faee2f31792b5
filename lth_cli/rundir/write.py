"""Writing a run directory."""

import csv
import errno
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from lth_cli.core import masks
from lth_cli.core.files import make_dir, remove_temporary, write
from lth_cli.core.state import Mask, State
from lth_cli.core.ticket import Ticket
from lth_cli.rundir.kept import Kept
from lth_cli.rundir.manifest import Manifest, sha256
from lth_cli.rundir.read import CURVES, FORMAT, HISTORY, LAYERS, TABLES
from lth_cli.training.jobs import Fitted, Job


class Writer:
    """Writes one run directory: config and record at the start, each round when it is finished, the end.

    Args:
        path: an existing folder without a run, or with the one that `kept` was read from.
        config: resolved, as YAML.
        record: what run.json says beside format, status and times.
        kept: what to go on from; rounds beyond it are removed from the tables, to be written again.

    Raises:
        FileExistsError: there is a run in `path` already, and nothing is kept of it.
    """

    def __init__(self, path: Path, config: str, record: Mapping[str, Any], kept: Kept | None = None) -> None:
        if kept is None and (path / "run.json").exists():
            raise FileExistsError(errno.EEXIST, "another run is in this folder", str(path))
        self.path = path
        self.record = {"format": FORMAT, "status": "running", **record, "started": _now(), "ended": None}
        self.manifest, self.tables = Manifest(), dict.fromkeys(TABLES, b"")
        if kept is not None:
            self._take_over(kept)
        write(path / "config.yaml", config.encode())
        self.manifest.files["config.yaml"] = sha256(config.encode())
        self._save_record()

    def _take_over(self, kept: Kept) -> None:
        """The manifest comes first: from then on, rounds that it no longer lists do not count."""
        remove_temporary(self.path)
        self.manifest = kept.manifest
        self.manifest.save(self.path)
        for name, text in kept.tables.items():
            self._append(name, text)
        resumed = [*kept.record.get("resumed", []), {"at": self.record["started"], "round": kept.rounds}]
        old = {key: value for key, value in kept.record.items() if key in ("started", "notes", "diverged")}
        self.record |= {**old, "resumed": resumed}

    def note(self, text: str) -> None:
        """Keep a remark about the run, such as an emptied layer, in run.json."""
        notes = self.record.get("notes", [])
        self.record["notes"] = [*notes, *([text] if text not in notes else [])]
        self._save_record()

    def diverged(self, job: Job, what: str) -> None:
        """Record an arm that is left out because a loss was not finite."""
        entry = {"round": job.round, "arm": job.arm, "seed": job.seed, "what": what}
        others = [one for one in self.record.get("diverged", []) if one != entry]
        self.record["diverged"] = [*others, entry]
        self._save_record()

    def round(self, fitted: Sequence[Fitted]) -> None:
        """Write a finished round: its states, its rows, and last the manifest, which makes it count."""
        round = fitted[0].job.round
        folder = self.path / "rounds" / f"{round:02d}"
        make_dir(folder.parent)
        make_dir(folder)
        for one in fitted:
            job = one.job
            self._save(folder / f"{job.arm}_seed{job.seed}.safetensors", pack(one.mask, one.state))
            if one.saved is not None:
                self._save(folder / f"rewind_seed{job.seed}.safetensors", pack({}, one.saved))
        rows = {
            "curves.csv": _lines(CURVES, [row for one in fitted for row in _curve_rows(one)]),
            "layers.csv": _lines(LAYERS, [row for one in fitted for row in _layer_rows(one)]),
            "history.csv": _lines(HISTORY, [history_row(one) for one in fitted]),
        }
        for name, text in rows.items():
            self._append(name, text)
        self.manifest.rows[round] = {name: sha256(text) for name, text in rows.items()}
        self.manifest.save(self.path)

    def ticket(self, fitted: Fitted) -> None:
        """Write the ticket of one seed: its mask with the weights it starts from."""
        job, row = fitted.job, history_row(fitted)
        kept = ("round", "seed", "density", "remaining", "total")
        accuracies = ("test_accuracy", "val_accuracy", "early_stop_iteration", "early_stop_test_accuracy")
        ticket = Ticket(
            mask=fitted.mask,
            weights=job.start.state.params,
            buffers=job.start.state.buffers,
            pruned_to=job.pruned_to or {},
            metadata={
                **{key: row[key] for key in (*kept, *accuracies)},
                "schedule_position": job.start.schedule,
                "order_position": job.start.order,
                "iterations": job.start.iterations,
                "sha256": {"mask": tensors_sha256(fitted.mask), "weights": tensors_sha256(job.start.state.params)},
                "config": (self.path / "config.yaml").read_text(),
            },
        )
        make_dir(self.path / "tickets")
        self._save(self.path / "tickets" / f"seed{job.seed}.safetensors", ticket.to_bytes())
        self.manifest.save(self.path)

    def finish(self, status: str, error: str | None = None) -> None:
        """Say how the run ended: done, failed or interrupted."""
        self.record.update(status=status, ended=_now())
        if error is not None:
            self.record["error"] = error
        self._save_record()

    def _append(self, table: str, rows: bytes) -> None:
        """By writing the whole table anew, so that a reader never sees half a row."""
        self.tables[table] += rows
        write(self.path / table, ",".join(TABLES[table]).encode() + b"\n" + self.tables[table])

    def _save(self, path: Path, data: bytes) -> None:
        write(path, data)
        self.manifest.files[str(path.relative_to(self.path))] = sha256(data)

    def _save_record(self) -> None:
        write(self.path / "run.json", json.dumps(self.record, indent=2).encode() + b"\n")


def history_row(fitted: Fitted) -> dict[str, Any]:
    """The row of history.csv of one arm."""
    job, last, early = fitted.job, fitted.curve[-1], fitted.early_stop
    remaining, total = masks.remaining(fitted.mask), masks.total(fitted.mask)
    return {
        "round": job.round,
        "arm": job.arm,
        "seed": job.seed,
        "density": masks.density(fitted.mask),
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


def pack(mask: Mask, state: State) -> bytes:
    """Mask, parameters and buffers as mask/…, params/… and buffers/… of one safetensors file."""
    tensors = {f"mask/{name}": m.cpu() for name, m in mask.items()}
    tensors |= {f"params/{name}": p for name, p in state.params.items()}
    tensors |= {f"buffers/{name}": b for name, b in state.buffers.items()}
    return safetensors.torch.save(tensors)


def _curve_rows(fitted: Fitted) -> Iterable[dict[str, Any]]:
    job = fitted.job
    return ({"round": job.round, "arm": job.arm, "seed": job.seed, **asdict(point)} for point in fitted.curve)


def _layer_rows(fitted: Fitted) -> Iterable[dict[str, Any]]:
    job = fitted.job
    for name, kept in masks.layer_counts(fitted.mask).items():
        row = {"round": job.round, "arm": job.arm, "seed": job.seed, "layer": name}
        yield {**row, "remaining": kept, "total": fitted.mask[name].numel()}


def _lines(columns: Mapping[str, type], rows: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    csv.DictWriter(text, list(columns), lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def tensors_sha256(tensors: Mapping[str, Tensor]) -> str:
    """Over names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, t in sorted(tensors.items()):
        digest.update(f"{name} {t.dtype} {tuple(t.shape)} ".encode() + t.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
