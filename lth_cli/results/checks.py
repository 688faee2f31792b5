"""The checks of a run on disk. Each gives a line for what is wrong, and a `NotKnown` for what it cannot tell."""

import itertools
from collections.abc import Iterator

import torch

from lth_cli.core import masks
from lth_cli.core.arms import DENSE, WINNING
from lth_cli.core.counts import Counts
from lth_cli.core.state import Params
from lth_cli.core.tensors import sha256
from lth_cli.core.ticket import Ticket
from lth_cli.lottery.invariants import pruned_are, pruned_are_zero, unchanged
from lth_cli.pruners.learner import Learner
from lth_cli.results.files import Files, NotKnown, where
from lth_cli.rundir import names, within
from lth_cli.rundir.columns import MEASURED, TABLES
from lth_cli.rundir.manifest import Manifest, damage
from lth_cli.rundir.names import Key


def files(files: Files) -> Iterator[str]:
    path = files.run.path
    manifest = Manifest.load(path)
    for place, what in damage(path, manifest):
        yield f"{place}: {what}"
    if files.run.status == "done":
        written = {int(key[0]) for table in TABLES for key in files.table(table)}
        for round in sorted({*range(len(files.run.record.get("keep", []))), *written} - manifest.rows.keys()):
            yield f"round {round} is not in manifest.json"


def counts(files: Files) -> Iterator[str]:
    layers = files.table(names.LAYERS)
    for key, row in zip(files.keys, files.run.history, strict=True):
        mask = files.mask(key)
        kept, total = masks.remaining(mask), masks.total(mask)
        if (row["remaining"], row["total"]) != (kept, total):
            yield f"{where(key)}: history says {row['remaining']:,} of {row['total']:,}, the mask {kept:,} of {total:,}"
        if (row["density"], row["sparsity"]) != (kept / total, (total - kept) / total):
            yield f"{where(key)}: density {row['density']} and sparsity {row['sparsity']} are not those of the mask"
        listed = {one["layer"]: (one["remaining"], one["total"]) for one in layers[key]}
        counted = {name: (int(m.sum()), m.numel()) for name, m in mask.items()}
        for name in sorted(listed.keys() | counted.keys()):
            if listed.get(name) != counted.get(name):
                yield f"{where(key)}: layers says {listed.get(name)} of {name}, the mask {counted.get(name)}"


def curves(files: Files) -> Iterator[str]:
    curves = files.table(names.CURVES)
    for key, row in zip(files.keys, files.run.history, strict=True):
        curve = curves[key]
        if not curve:
            yield f"{where(key)}: no curve"
            continue
        last, early = curve[-1], min(curve, key=lambda point: float(point["val_loss"]))
        same = all(row[name] == last[name] for name in MEASURED)
        stop = (early["iteration"], early["test_accuracy"])
        if not same or (row["early_stop_iteration"], row["early_stop_test_accuracy"]) != stop:
            yield f"{where(key)}: history is not the end and the minimum of its curve"


def nested(files: Files) -> Iterator[str]:
    for seed in files.seeds:
        keys = files.tickets_of(seed)
        if keys[0][0] != 0 or masks.remaining(files.mask(keys[0])) != masks.total(files.mask(keys[0])):
            yield f"{where(keys[0])}: not the dense network of round 0"
        for outer, inner in itertools.pairwise(keys):
            if not masks.within(files.mask(inner), files.mask(outer)):
                yield f"{where(inner)}: keeps weights that round {outer[0]} had pruned"


def pattern(files: Files) -> Iterator[str]:
    if files.run.config.get("ticket") is not None:
        return  # a ticket that was given is of the pattern that it was found under
    pattern = files.choice("pattern")
    if isinstance(pattern, NotKnown):
        yield pattern
        return
    for key in (key for seed in files.seeds for key in files.tickets_of(seed)):
        if wrong := pattern.violation(files.mask(key), Counts.parse(files.run.record["keep"][key[0]])):
            yield f"{where(key)}: {wrong}"


def zeros(files: Files) -> Iterator[str]:
    pruned_to = files.run.config.get("pruned_to", "zero")
    if pruned_to != "zero":
        yield from _frozen(files, or_zero=pruned_to == "movement")
        return
    for key in files.keys:
        mask, state = files.state(key)
        if not pruned_are_zero(state.params, mask):
            yield f"{where(key)}: a pruned weight is not zero"


def _frozen(files: Files, or_zero: bool) -> Iterator[str]:
    """In a ticket, each pruned weight is that of the start, or by movement zero; a control's start is not on disk."""
    for key, start in _starts(files):
        if isinstance(start, NotKnown):
            yield start
            continue
        mask, state = files.state(key)
        values: Params = {name: start[name] for name in mask}
        if or_zero:
            values = {name: torch.where(state.params[name] == 0, 0.0, value) for name, value in values.items()}
        if not pruned_are(state.params, mask, values):
            yield f"{where(key)}: a pruned weight is not what it is pruned to"


def weights(files: Files) -> Iterator[str]:
    criterion = files.choice("pruner", "score")
    if isinstance(criterion, NotKnown):
        yield criterion
    if not isinstance(criterion, Learner) or files.run.config.get("ticket") is not None:
        return
    for key, start in _starts(files):
        if isinstance(start, NotKnown):
            yield start
            continue
        mask, state = files.state(key)
        if not unchanged(state.params, masks.apply(mask, start)):
            yield f"{where(key)}: a weight is not that of the rewind point"


def controls(files: Files) -> Iterator[str]:
    """As far as masks show it."""
    for key in files.keys:
        round, arm, seed = key
        if arm in (DENSE, WINNING):
            continue
        control = files.choice("controls", arm)
        if isinstance(control, NotKnown):
            yield control
        elif not hasattr(control, "wrong_mask"):
            yield NotKnown(f"controls.{arm} does not say what its mask must be")
        elif wrong := control.wrong_mask(files.mask(key), files.mask((round, WINNING, seed))):
            yield f"{where(key)}: {wrong}"


def tickets(files: Files) -> Iterator[str]:
    last = len(files.run.record.get("keep", [])) - 1
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
        name, start = f"tickets/{file.name}", files.start(seed, keys[:-1])
        if not masks.equal(ticket.mask, files.mask(keys[-1])):
            yield f"{name}: not the mask of round {keys[-1][0]}"
        if ticket.metadata.get("sha256") != {"mask": sha256(ticket.mask), "weights": sha256(ticket.weights)}:
            yield f"{name}: its metadata names other hashes"
        if ticket.metadata.get("config") != within.read(files.run.path, names.CONFIG).decode():
            yield f"{name}: its metadata holds another config"
        if isinstance(start, NotKnown):
            yield start
        elif start.keys() != ticket.weights.keys() or not unchanged(ticket.weights, start):
            yield f"{name}: its weights are not those of the rewind point"


def _starts(files: Files) -> Iterator[tuple[Key, Params | NotKnown]]:
    """Each winning ticket, and what it starts from."""
    for seed in files.seeds:
        keys = files.tickets_of(seed)
        for i, key in enumerate(keys[1:], start=1):
            yield key, files.start(seed, keys[:i])
