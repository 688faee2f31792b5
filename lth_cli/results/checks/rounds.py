"""The checks of each round: its files, counts, masks and weights.

Each gives a line for what is wrong, and a `NotKnown` for what it cannot tell.
"""

import itertools
from collections.abc import Iterator

import torch

from lth_cli.core import masks
from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING
from lth_cli.core.counts import Counts
from lth_cli.core.state import Params, Start
from lth_cli.core.tensors import sha256
from lth_cli.lottery.invariants import pruned_are, pruned_are_zero, unchanged
from lth_cli.pruners.learner import Learner
from lth_cli.results.checks.files import Files, NotKnown, where
from lth_cli.rundir import names
from lth_cli.rundir.columns import TABLES
from lth_cli.rundir.manifest import Manifest, damage
from lth_cli.rundir.names import Key


def files(files: Files) -> Iterator[str]:
    path = files.run.path
    manifest = Manifest.load(path)
    for place, what in damage(path, manifest):
        yield f"{place}: {what}"
    if names.CONFIG not in manifest.files:
        wrong = f"{names.CONFIG} is not in {names.MANIFEST}"
        yield (wrong if files.run.status == "done" else NotKnown(f"{wrong}, as after a kill when it began to go on"))
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
        if len(listed) < len(layers[key]):
            yield f"{where(key)}: layers names one of them twice"
        counted = {name: (int(m.sum()), m.numel()) for name, m in mask.items()}
        for name in sorted(listed.keys() | counted.keys()):
            if listed.get(name) != counted.get(name):
                yield f"{where(key)}: layers says {listed.get(name)} of {name}, the mask {counted.get(name)}"


def nested(files: Files) -> Iterator[str]:
    first = dict[str, Key]()
    for seed in files.seeds:
        keys = files.tickets_of(seed)
        other = first.setdefault(sha256(files.state(keys[0])[1].params), keys[0])
        if other != keys[0]:
            yield f"{where(keys[0])}: the network of {where(other)}: no two seeds train to the same"
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
        if any(bool(p.isnan().any()) for p in state.params.values()):
            yield f"{where(key)}: a weight is not a number, while its losses are"
        if not pruned_are_zero(state.params, mask):
            yield f"{where(key)}: a pruned weight is not zero"


def _frozen(files: Files, or_zero: bool) -> Iterator[str]:
    """In a ticket, each pruned weight is that of the start, or by movement zero; a control's start is not on disk."""
    for key, start in _starts(files):
        if isinstance(start, NotKnown):
            yield start
            continue
        mask, state = files.state(key)
        values: Params = {name: start.state.params[name] for name in mask}
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
        if not unchanged(state.params, masks.apply(mask, start.state.params)):
            yield f"{where(key)}: a weight is not that of the rewind point"


def controls(files: Files) -> Iterator[str]:
    """As far as masks show it; and no control that is trained is a copy of its ticket."""
    trained = dict(zip(files.keys, (row["iterations"] > 0 for row in files.run.history), strict=True))
    for key in files.keys:
        round, arm, seed = key
        if arm in (DENSE, WINNING):
            continue
        if arm == DENSE_RETRAINED:
            if masks.remaining(mask := files.mask(key)) != masks.total(mask):
                yield f"{where(key)}: it is pruned"
            continue
        control = files.control(arm)
        (mask, state), (ticket, winning) = files.state(key), files.state((round, WINNING, seed))
        if isinstance(control, NotKnown):
            yield control
        elif not hasattr(control, "wrong_mask"):
            yield NotKnown(f"controls.{arm} does not say what its mask must be")
        elif wrong := control.wrong_mask(mask, ticket):
            yield f"{where(key)}: {wrong}"
        if trained[key] and unchanged(state.params, winning.params):
            yield f"{where(key)}: its weights are the ticket's"


def _starts(files: Files) -> Iterator[tuple[Key, Start | NotKnown]]:
    """Each winning ticket, and where it starts."""
    for seed in files.seeds:
        yield from files.starts(seed)
