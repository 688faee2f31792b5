"""The check of tickets: each that is there, whether or not the run is done."""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from lth_cli.core import masks
from lth_cli.core.files import open_regular
from lth_cli.core.state import Params, Start
from lth_cli.core.tensors import load, sha256
from lth_cli.core.ticket import MOST, Ticket
from lth_cli.lottery.invariants import unchanged
from lth_cli.results.checks.files import Files, NotKnown, where
from lth_cli.rundir import names, within
from lth_cli.rundir.manifest import Manifest
from lth_cli.rundir.names import Key
from lth_cli.rundir.write import OF_TICKET

_TENSORS = ("mask/", "weights/", "buffers/", "pruned_to/")


def tickets(files: Files) -> Iterator[str]:
    """A run that is done has one of each seed that came to its last round."""
    path, last = files.run.path, len(files.run.record.get("keep", [])) - 1
    listed = {seed for name in Manifest.load(path).files if (seed := names.ticket_seed(name)) is not None}
    for seed in sorted(listed.difference(files.seeds)):
        yield f"{names.ticket(seed)}: of a seed that is not in history"
    due = files.seeds if files.run.status == "done" else ()
    for seed in sorted(_there(path) - listed.union(due)):
        yield NotKnown(f"{names.ticket(seed)}: not in manifest.json, as one that this run had before it went on")
    rows = dict(zip(files.keys, files.run.history, strict=True))
    for seed in files.seeds:
        key = files.tickets_of(seed)[-1]
        if key[0] < last:  # it is under way, or diverged, as run.json says
            if seed in listed:
                yield f"{names.ticket(seed)}: of round {last}, but history ends at {where(key)}"
        elif seed in listed or seed in due:
            if seed not in listed:
                yield f"{names.ticket(seed)} is not in {names.MANIFEST}"
            for line in _of_seed(files, key, rows[key]):
                yield line if isinstance(line, NotKnown) else f"{names.ticket(seed)}: {line}"


def _there(path: Path) -> set[int]:
    """The seeds of the tickets in a run's folder, listed or not."""
    folder = path / names.TICKETS
    found = os.listdir(folder) if folder.is_dir() and not folder.is_symlink() else []
    return {seed for name in found if (seed := names.ticket_seed(f"{names.TICKETS}/{name}")) is not None}


def _of_seed(files: Files, key: Key, row: Mapping[str, Any]) -> Iterator[str]:
    """What the ticket of a seed, whose last round is `key`, says otherwise than the run."""
    file = files.run.path / names.ticket(key[2])
    try:
        ticket = Ticket.load(file, files.run.path)
    except (OSError, ValueError) as error:
        yield str(error)[:80]
        return
    if not masks.equal(ticket.mask, files.mask(key)):
        yield f"not the mask of round {key[0]}"
    if ticket.metadata.get("sha256") != {"mask": sha256(ticket.mask), "weights": sha256(ticket.weights)}:
        yield "its metadata names other hashes"
    if ticket.metadata.get("config") != within.read(files.run.path, names.CONFIG).decode():
        yield "its metadata holds another config"
    yield from _beside(file, files.run.path, ticket)
    for name in sorted(_wrong(ticket, row, files)):
        yield f"its metadata says {name} is {str(ticket.metadata[name])[:40]}"
    for _, start in deque(files.starts(key[2]), maxlen=1):
        yield from (start,) if isinstance(start, NotKnown) else _start(ticket, start, files)


def _beside(file: Path, root: Path, ticket: Ticket) -> Iterator[str]:
    """What no run writes into a ticket; and of what it writes, what is lacking."""
    with open_regular(file, MOST, root) as opened:
        texts, tensors = load(opened)
    if more := [name for name in tensors if not name.startswith(_TENSORS)]:
        yield f"no run writes its tensor {more[0][:40]}"
    if more := [*texts.keys() - {"ticket"}, *ticket.metadata.keys() - OF_TICKET]:
        yield f"no run writes its metadata {min(more)[:40]}"
    if lacking := sorted(OF_TICKET - ticket.metadata.keys() - {"tied", "transient"}):
        yield NotKnown(f"{file.name}: its metadata does not say {', '.join(lacking)}")


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
