"""Trainings under way: kept between two steps, so that a long round goes on from where it was stopped."""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import safetensors
import safetensors.torch

from lth_cli.core.files import make_dir, write
from lth_cli.core.signals import Signals
from lth_cli.core.state import Params
from lth_cli.rundir.read import UNREADABLE
from lth_cli.rundir.write import tensors_sha256
from lth_cli.training.jobs import Evaluation, Job, Progress

_LONG = 30  # seconds: what has taken so long is kept when it ends, as its round may be far from its own end


class Checkpoints:
    """Files below ``partial/`` of a run directory, one per training of a round; gone when the round is written.

    A file that is damaged, or of other jobs, is passed over: its training begins anew.

    Args:
        path: the run directory.
        every: iterations, or None.
        seconds: or so many seconds, from the start of each training on.
    """

    def __init__(self, path: Path, every: int | None, seconds: float | None) -> None:
        self.folder, self.every, self.seconds = path / "partial", every, seconds
        self.signals = Signals.current()
        self._latest = time.monotonic()

    def load(self, jobs: Sequence[Job]) -> Progress | None:
        """How far these jobs had come, or None; their training begins now."""
        self._latest = time.monotonic()
        try:
            with safetensors.safe_open(self._file(jobs), "pt") as file:
                text = (file.metadata() or {})["progress"]
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            document = json.loads(text)
            if document.pop("jobs") != _digest(jobs) or document.pop("tensors") != tensors_sha256(tensors):
                return None
            curves = [[Evaluation(**point) for point in curve] for curve in document.pop("curves")]
            return Progress(**document, curves=curves, tensors=tensors)
        except (*UNREADABLE, AttributeError, safetensors.SafetensorError):
            return None

    def due(self, jobs: Sequence[Job], done: int) -> bool:
        """After so many iterations or seconds, at the end of what was long, and when we are asked to stop."""
        if self.signals.asked_to_stop():
            return True
        waited, ended = time.monotonic() - self._latest, done == jobs[0].start.iterations
        if ended and (self.every is not None or waited >= _LONG):
            return True
        if self.every is not None:
            return done % self.every == 0
        return self.seconds is not None and waited >= self.seconds

    def save(self, jobs: Sequence[Job], progress: Progress) -> None:
        """Write it; raises KeyboardInterrupt if we are asked to stop."""
        tensors = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in progress.tensors.items()}
        document = {
            "jobs": _digest(jobs),
            "tensors": tensors_sha256(tensors),
            "done": progress.done,
            "since": progress.since,
            "seconds": progress.seconds,
            "curves": [[asdict(point) for point in curve] for curve in progress.curves],
            "diverged": progress.diverged,
        }
        make_dir(self.folder)
        write(self._file(jobs), safetensors.torch.save(tensors, {"progress": json.dumps(document)}))
        self._latest = time.monotonic()
        self.signals.stop_if_asked()

    def asked_to_stop(self) -> bool:
        """Whether Ctrl-C or SIGTERM waits for the next checkpoint."""
        return self.signals.asked_to_stop()

    def clear(self) -> None:
        """The round is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, jobs: Sequence[Job]) -> Path:
        first, others = jobs[0], f"_and_{len(jobs) - 1}" if len(jobs) > 1 else ""
        return self.folder / f"{first.round:02d}_{first.arm}_seed{first.seed}{others}.safetensors"


def _digest(jobs: Sequence[Job]) -> str:
    """Of all that decides what the jobs become, beside the config."""
    digest = hashlib.sha256()
    for job in jobs:
        start = job.start
        tensors: Params = {f"mask/{name}": m for name, m in job.mask.items()} | start.state.params | start.state.buffers
        tensors |= {f"pruned_to/{name}": p for name, p in (job.pruned_to or {}).items()}
        place = (
            str(job),
            start.schedule,
            start.order,
            start.iterations,
            job.save_at,
            job.random_labels,
            repr(job.learn),
        )
        digest.update(f"{place} {tensors_sha256(tensors)}".encode())
    return digest.hexdigest()
