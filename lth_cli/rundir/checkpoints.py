"""Trainings under way: kept between two steps, so that a long round goes on from where it was stopped."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import safetensors.torch

from lth_cli.core.state import Params
from lth_cli.core.tensors import load, sha256, under
from lth_cli.rundir import names, within
from lth_cli.rundir.damaged import UNREADABLE, check_reach
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Job
from lth_cli.training.progress import Progress

_LONG = 30  # seconds: what has taken so long is kept when it ends, as its round may be far from its own end


class Checkpoints:
    """Files below ``partial/`` of a run directory, one per training of a round; gone when the round is written.

    A file that is damaged, or of other jobs, is passed over: its training begins anew. One that cannot be read just now
    is an OutOfReach.

    Args:
        path: the run directory.
        every: iterations, or None.
        seconds: or so many seconds, from the start of each training on.
    """

    def __init__(self, path: Path, every: int | None, seconds: float | None) -> None:
        self.path, self.every, self.seconds = path, every, seconds
        self._latest = time.monotonic()

    def load(self, jobs: Sequence[Job]) -> Progress | None:
        """How far these jobs had come, or None; their training begins now."""
        self._latest = time.monotonic()
        try:
            with within.opened(self.path, self._name(jobs)) as file:
                metadata, tensors = load(file)
            document = json.loads(metadata["progress"])
            if document.pop("jobs") != _digest(jobs) or document.pop("tensors") != sha256(tensors):
                return None
            curves = [[Evaluation.from_flat(point) for point in curve] for curve in document.pop("curves")]
            return Progress(**document, curves=curves, tensors=tensors)
        except UNREADABLE as error:
            check_reach(self.path / self._name(jobs), error)
            return None

    def due(self, jobs: Sequence[Job], done: int) -> bool:
        """After so many iterations or seconds, and at the end of what was long."""
        waited, ended = time.monotonic() - self._latest, done == jobs[0].start.iterations
        if ended and (self.every is not None or waited >= _LONG):
            return True
        if self.every is not None:
            return done % self.every == 0
        return self.seconds is not None and waited >= self.seconds

    def save(self, jobs: Sequence[Job], progress: Progress) -> None:
        """Write it."""
        tensors = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in progress.tensors.items()}
        document = {
            "jobs": _digest(jobs),  # how far it is must be among the first: `under_way` reads no more
            "tensors": sha256(tensors),
            "done": progress.done,
            "since": progress.since,
            "seconds": progress.seconds,
            "curves": [[point.flat() for point in curve] for curve in progress.curves],
            "diverged": progress.diverged,
        }
        within.make_dir(self.path, names.PARTIAL)
        within.write(self.path, self._name(jobs), safetensors.torch.save(tensors, {"progress": json.dumps(document)}))
        self._latest = time.monotonic()

    def clear(self) -> None:
        """The round is written; what somebody else put there stays."""
        folder = self.path / names.PARTIAL
        with suppress(OSError):
            for file in folder.iterdir() if not folder.is_symlink() else ():
                if names.is_partial(f"{names.PARTIAL}/{file.name}"):
                    within.remove(self.path, f"{names.PARTIAL}/{file.name}")
            within.remove(self.path, names.PARTIAL)

    def _name(self, jobs: Sequence[Job]) -> str:
        first = jobs[0]
        return names.partial((first.round, first.arm, first.seed), len(jobs) - 1)


def _digest(jobs: Sequence[Job]) -> str:
    """Of all that decides what the jobs become, beside the config."""
    digest = hashlib.sha256()
    for job in jobs:
        start = job.start
        tensors: Params = {**under("mask", job.mask), **start.state.params, **start.state.buffers}
        tensors |= {**under("pruned_to", job.pruned_to or {}), **under("moments", start.state.moments)}
        place = (
            str(job),
            start.schedule,
            start.order,
            start.iterations,
            start.lr,
            job.save_at,
            job.random_labels,
            repr(job.learner),
            str(job.keep),
        )
        digest.update(f"{place} {sha256(tensors)}".encode())
    return digest.hexdigest()
