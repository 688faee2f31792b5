"""Writing a run directory."""

import errno
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import safetensors.torch

from lth_cli.core import tensors
from lth_cli.core.files import remove_temporary
from lth_cli.core.spelling import brief
from lth_cli.core.ticket import Ticket
from lth_cli.rundir import names, within
from lth_cli.rundir.claims import digests
from lth_cli.rundir.columns import FORMAT, TABLES
from lth_cli.rundir.intact import Intact
from lth_cli.rundir.manifest import Manifest, sha256
from lth_cli.rundir.rows import history_row, of_round
from lth_cli.rundir.tables import header
from lth_cli.training.jobs import Fitted, Job

_IN_TICKET = (
    *("round", "seed", "density", "remaining", "total"),
    *("test_accuracy", "val_accuracy", "early_stop_iteration", "early_stop_test_accuracy"),
)
OF_TICKET = {*_IN_TICKET, "tied", "transient", "schedule_position", "order_position", "iterations", "sha256", "config"}
"""What the metadata of a ticket say."""
_COMES_FROM = ("format", "git", "code", "versions", "host", "device", "executor", "threads")
_MOST_NOTES, _LONGEST = 1000, 10_000  # characters of an error: run.json stays of a size that is read again


class Writer:
    """Writes one run directory: config and record at the start, each round when it is finished, the end.

    Args:
        path: an existing folder without a run, or with the one that `intact` was read from.
        config: resolved, as YAML.
        record: what run.json says beside format, status and times.
        intact: what to go on from; rounds beyond it are removed from the tables, to be written again.

    Raises:
        FileExistsError: there is a run in `path` already, and it is not to go on.
    """

    def __init__(self, path: Path, config: str, record: Mapping[str, Any], intact: Intact | None = None) -> None:
        if intact is None and (path / names.RECORD).exists():
            raise FileExistsError(errno.EEXIST, "another run is in this folder", str(path))
        self.path, self._latest = path, ""
        self._dense = dict[int, float]()
        self.record = {"format": FORMAT, "status": "running", **record, "started": self._time(), "ended": None}
        self.manifest, self.tables = Manifest(), dict.fromkeys(TABLES, b"")
        if intact is not None:
            self._take_over(intact)
        within.write(path, names.CONFIG, config.encode())
        self.manifest.files[names.CONFIG] = sha256(config.encode())
        self._save_record()
        self.manifest.claims.update(digests(self.record))
        if intact is not None:
            self.manifest.save(path)

    def _take_over(self, intact: Intact) -> None:
        """The manifest comes first: from then on, rounds that it no longer lists do not count.

        run.json comes last: until then, a table of an older format may lack what that format lacks. Only then the
        manifest has its claims, so that a kill never makes them look wrong.
        """
        remove_temporary(self.path, names.is_written)
        self.manifest = intact.manifest
        self.manifest.save(self.path)
        for table, rows in intact.tables.items():
            self._append(table, rows)
        before = intact.record.get("resumed", [])
        times = (intact.record.get("started"), intact.record.get("ended"), *(one["at"] for one in before))
        self._latest = max(filter(None, times), default="")
        was = {key: intact.record[key] for key in _COMES_FROM if key in intact.record}
        was = {key: value for key, value in was.items() if value != self.record.get(key)}
        resumed = [*before, {"at": self._time(), "round": intact.rounds, "was": was}]
        old = {key: value for key, value in intact.record.items() if key in ("started", "notes", "diverged")}
        self.record |= {**old, "resumed": resumed}

    def note(self, text: str) -> None:
        """Keep a remark about the run, such as an emptied layer, in run.json."""
        notes = self.record.setdefault("notes", [])
        if brief(text) in notes or len(notes) > _MOST_NOTES:
            return
        notes.append(brief(text) if len(notes) < _MOST_NOTES else "and more, which were not kept")
        self._save_record()

    def diverged(self, job: Job, what: str) -> None:
        """Record an arm that is left out because a loss was not finite."""
        entry = {"round": job.round, "arm": job.arm, "seed": job.seed, "what": what}
        others = [one for one in self.record.get("diverged", []) if one != entry]
        self.record["diverged"] = [*others, entry]
        self._save_record()

    def dense(self, fitted: Sequence[Fitted]) -> None:
        """Know the dense networks of round 0, whose losses others are to reach, where they are on disk already."""
        self._dense = {one.job.seed: one.early_stop.val_loss for one in fitted}

    def round(self, fitted: Sequence[Fitted]) -> None:
        """Write a finished round: its states, its rows, and last the manifest, which makes it count."""
        round = fitted[0].job.round
        if round == 0:
            self.dense(fitted)
        within.make_dir(self.path, names.ROUNDS)
        within.make_dir(self.path, names.round_folder(round))
        for one in fitted:
            job, state = one.job, tensors.pack(one.mask, one.state)
            self._save(names.state((job.round, job.arm, job.seed)), safetensors.torch.save(state))
            if one.saved is not None:
                self._save(names.rewind(job.seed), safetensors.torch.save(tensors.pack({}, one.saved)))
        rows = of_round(fitted, self._dense)
        for table, text in rows.items():
            self._append(table, text)
        self.manifest.rows[round] = {table: sha256(text) for table, text in rows.items()}
        self.manifest.save(self.path)

    def ticket(self, fitted: Fitted) -> None:
        """Write the ticket of one seed: its mask with the weights it starts from."""
        job, row = fitted.job, history_row(fitted, self._dense.get(fitted.job.seed))
        ticket = Ticket(
            mask=fitted.mask,
            weights=job.start.state.params,
            buffers=job.start.state.buffers,
            pruned_to=job.pruned_to or {},
            metadata={
                **{key: row[key] for key in _IN_TICKET},
                **{key: self.record[key] for key in ("tied", "transient") if key in self.record},
                "schedule_position": job.start.schedule,
                "order_position": job.start.order,
                "iterations": job.start.iterations,
                "sha256": {"mask": tensors.sha256(fitted.mask), "weights": tensors.sha256(job.start.state.params)},
                "config": within.read(self.path, names.CONFIG).decode(),
            },
        )
        within.make_dir(self.path, names.TICKETS)
        self._save(names.ticket(job.seed), ticket.to_bytes())
        self.manifest.save(self.path)

    def finish(self, status: str, error: str | None = None) -> None:
        """Say how the run ended: done, failed or interrupted."""
        self.record.update(status=status, ended=self._time())
        if error is not None:
            self.record["error"] = error[:_LONGEST]
        self._save_record()

    def _time(self) -> str:
        """Now, or the latest time that was written of this run, where the clock went back since."""
        self._latest = max(self._latest, _now())
        return self._latest

    def _append(self, table: str, rows: bytes) -> None:
        """By writing the whole table anew, so that a reader never sees half a row."""
        self.tables[table] += rows
        within.write(self.path, table, header(table) + self.tables[table])

    def _save(self, name: str, data: bytes) -> None:
        within.write(self.path, name, data)
        self.manifest.files[name] = sha256(data)

    def _save_record(self) -> None:
        within.write(self.path, names.RECORD, json.dumps(self.record, indent=2).encode() + b"\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
