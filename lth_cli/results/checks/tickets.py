"""The check of the tickets of a run that is done."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from lth_cli.core import masks
from lth_cli.core.state import Params, Start
from lth_cli.core.tensors import sha256
from lth_cli.core.ticket import Ticket
from lth_cli.lottery.invariants import unchanged
from lth_cli.results.checks.files import Files, NotKnown
from lth_cli.rundir import names, within


def tickets(files: Files) -> Iterator[str]:
    last = len(files.run.record.get("keep", [])) - 1
    rows = dict(zip(files.keys, files.run.history, strict=True))
    for seed in files.seeds if files.run.status == "done" else ():
        keys = files.tickets_of(seed)
        if keys[-1][0] < last:  # it diverged, as run.json says
            continue
        file = files.run.path / names.ticket(seed)
        try:
            ticket = Ticket.load(file, files.run.path)
        except (OSError, ValueError) as error:
            yield f"{file.name}: {str(error)[:80]}"
            continue
        name = f"tickets/{file.name}"
        if not masks.equal(ticket.mask, files.mask(keys[-1])):
            yield f"{name}: not the mask of round {keys[-1][0]}"
        if ticket.metadata.get("sha256") != {"mask": sha256(ticket.mask), "weights": sha256(ticket.weights)}:
            yield f"{name}: its metadata names other hashes"
        if ticket.metadata.get("config") != within.read(files.run.path, names.CONFIG).decode():
            yield f"{name}: its metadata holds another config"
        for key in sorted(_wrong(ticket, rows[keys[-1]], files)):
            yield f"{name}: its metadata says {key} is {str(ticket.metadata[key])[:40]}"
        for _, start in deque(files.starts(seed), maxlen=1):
            if isinstance(start, NotKnown):
                yield start
            else:
                yield from (f"{name}: {wrong}" for wrong in _start(ticket, start, files))


def _wrong(ticket: Ticket, row: Mapping[str, Any], files: Files) -> Iterator[str]:
    """The keys of its metadata that say something else than history and run.json."""
    known = {key: value for key, value in row.items() if value is not None}
    known |= {key: files.run.record.get(key) for key in ("tied", "transient")}
    return (key for key, value in known.items() if ticket.metadata.get(key, value) != value)


def _start(ticket: Ticket, start: Start, files: Files) -> Iterator[str]:
    """What a ticket says otherwise than the rewind point that it must start from."""
    if not _are(ticket.weights, start.state.params):
        yield "its weights are not those of the rewind point"
    if not _are(ticket.buffers, start.state.buffers):
        yield "its buffers are not those of the rewind point"
    for key, value in (("schedule_position", start.schedule), ("order_position", start.order)):
        if "rewind_to" in files.run.record and ticket.metadata.get(key, value) != value:
            yield f"its metadata says {key} is {str(ticket.metadata[key])[:40]}"
    pruned_to = files.run.config.get("pruned_to")
    frozen = {name: start.state.params[name] for name in ticket.mask if name in start.state.params}
    if pruned_to == "movement":
        said = ticket.pruned_to
        frozen = {name: torch.where(said.get(name, p) == 0, 0.0, p) for name, p in frozen.items()}
    if pruned_to in ("zero", "start", "movement") and not _are(ticket.pruned_to, {} if pruned_to == "zero" else frozen):
        yield "what its weights are pruned to is not that of the rewind point"


def _are(tensors: Params, those: Params) -> bool:
    return tensors.keys() == those.keys() and unchanged(tensors, those)
