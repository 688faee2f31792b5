"""`lth verify`: the checks that the science depends on, repeated from the files of a run alone. Nothing is executed."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from lth_cli.core import masks
from lth_cli.core.arms import DENSE, WINNING
from lth_cli.core.state import Mask, Params, State
from lth_cli.core.tensors import sha256
from lth_cli.core.ticket import Ticket
from lth_cli.lottery.invariants import pruned_are, pruned_are_zero, unchanged
from lth_cli.patterns import NM, Filters, Unstructured
from lth_cli.rundir import names
from lth_cli.rundir.columns import MEASURED
from lth_cli.rundir.manifest import Manifest, damage
from lth_cli.rundir.names import Key
from lth_cli.rundir.read import Damaged, Run, read
from lth_cli.rundir.restore import read_state
from lth_cli.rundir.tables import Row, read_table

_PATTERNS: dict[str, type[NM] | type[Filters]] = {"lth_cli.patterns.NM": NM, "lth_cli.patterns.Filters": Filters}
_REWOUND = ("lth_cli.rewind.Early", "lth_cli.rewind.Late")  # strategies whose tickets start from the saved weights
_SAME_MASK = ("Constant", "RandomLabels", "Reinit", "Reshuffle")  # controls that have the ticket's mask
_LEARNED = ("lth_cli.pruners.Supermask", "lth_cli.pruners.EdgePopup")  # masks; the weights are not trained
_TRAINED = ("lth_cli.rewind.LearningRate", "lth_cli.rewind.FineTune")  # from the trained ones


@dataclass(frozen=True)
class Check:
    """One thing that must hold.

    Args:
        name: in one word.
        looked_at: what was checked, in words.
        wrong: a line for each that is not as it must be.
    """

    name: str
    looked_at: str
    wrong: list[str]


@dataclass(frozen=True)
class Files:
    """A run directory, its states read when they are asked for."""

    run: Run

    @cached_property
    def keys(self) -> list[Key]:
        return [(row["round"], row["arm"], row["seed"]) for row in self.run.history]

    @cached_property
    def seeds(self) -> list[int]:
        return list(dict.fromkeys(seed for _, _, seed in self.keys))

    def state(self, key: Key) -> tuple[Mask, State]:
        return read_state(self.run.path / names.state(key))

    def mask(self, key: Key) -> Mask:
        return self.state(key)[0]

    def rewind(self, seed: int) -> Params:
        return read_state(self.run.path / names.rewind(seed))[1].params

    def tickets_of(self, seed: int) -> list[Key]:
        """The dense network and the winning tickets of a seed, round by round."""
        return [key for key in self.keys if key[2] == seed and key[1] in (DENSE, WINNING)]

    def table(self, name: str) -> dict[Key, list[Row]]:
        return read_table(self.run.path, name, self.run.record["format"])


def verify(path: Path) -> list[Check]:
    """Check one run directory.

    Raises:
        Damaged: it is so damaged that it cannot be read at all.
    """
    files = Files(read(path))
    checks: list[tuple[str, str, Callable[[Files], Iterator[str]]]] = [
        ("files", "SHA-256 of every file and row", _files),
        ("counts", "weights kept: history and layers as the masks on disk", _counts),
        ("curves", "accuracies of history as the learning curves", _curves),
        ("nested", "no weight revived, round by round", _nested),
        ("pattern", "the masks of tickets are of the config's pattern", _pattern),
        ("zeros", "pruned weights exactly zero, or what they are pruned to", _zeros),
        ("weights", "weights unchanged where only masks are learned", _weights),
        ("controls", "each control beside its ticket", _controls),
        ("tickets", "mask of the last round, weights of the rewind point", _tickets),
    ]
    return [Check(name, what, list(_caught(files, check))) for name, what, check in checks]


def _caught(files: Files, check: Callable[[Files], Iterator[str]]) -> Iterator[str]:
    try:
        yield from check(files)
    except (
        Damaged,
        ArithmeticError,
        AttributeError,
        LookupError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        yield f"{error}" if isinstance(error, Damaged) else f"{type(error).__name__}: {str(error)[:80]}"


def _files(files: Files) -> Iterator[str]:
    path = files.run.path
    manifest = Manifest.load(path)
    for place, what in damage(path, manifest):
        yield f"{place}: {what}"
    if files.run.status == "done":
        for round in range(len(files.run.record.get("keep", []))):
            if round not in manifest.rows:
                yield f"round {round} is not in manifest.json"


def _counts(files: Files) -> Iterator[str]:
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


def _curves(files: Files) -> Iterator[str]:
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


def _nested(files: Files) -> Iterator[str]:
    for seed in files.seeds:
        keys = files.tickets_of(seed)
        if keys[0][0] != 0 or masks.remaining(files.mask(keys[0])) != masks.total(files.mask(keys[0])):
            yield f"{where(keys[0])}: not the dense network of round 0"
        for outer, inner in itertools.pairwise(keys):
            if not masks.within(files.mask(inner), files.mask(outer)):
                yield f"{where(inner)}: keeps weights that round {outer[0]} had pruned"


def _pattern(files: Files) -> Iterator[str]:
    """Of a pattern that is not ours, nothing is known."""
    options = dict(files.run.config.get("pattern", {}))
    kind = _PATTERNS.get(options.pop("_target_", ""))
    pattern = kind(**options) if kind is not None else Unstructured()
    for key in (key for seed in files.seeds for key in files.tickets_of(seed)):
        if wrong := pattern.violation(files.mask(key), files.run.record["keep"][key[0]]):
            yield f"{where(key)}: {wrong}"


def _zeros(files: Files) -> Iterator[str]:
    if files.run.config.get("pruned_to", "zero") != "zero":
        yield from _at_rest(files)
        return
    for key in files.keys:
        mask, state = files.state(key)
        if not pruned_are_zero(state.params, mask):
            yield f"{where(key)}: a pruned weight is not zero"


def _at_rest(files: Files) -> Iterator[str]:
    """Of a ticket, each pruned weight is that of the start, or by movement zero; of a control, it is not known here."""
    or_zero = files.run.config.get("pruned_to") == "movement"
    for seed in files.seeds:
        keys = files.tickets_of(seed)
        for i, key in enumerate(keys[1:], start=1):
            mask, state = files.state(key)
            allowed = [
                {name: torch.where(state.params[name] == 0, 0.0, p[name]) if or_zero else p[name] for name in mask}
                for p in _starts(files, seed, keys[:i])
            ]
            if not any(pruned_are(state.params, mask, values) for values in allowed):
                yield f"{where(key)}: a pruned weight is not what it is pruned to"


def _weights(files: Files) -> Iterator[str]:
    if files.run.config.get("pruner", {}).get("score", {}).get("_target_") not in _LEARNED:
        return
    for seed in files.seeds:
        keys = files.tickets_of(seed)
        for i, key in enumerate(keys[1:], start=1):
            mask, state = files.state(key)
            if not any(unchanged(state.params, masks.apply(mask, start)) for start in _starts(files, seed, keys[:i])):
                yield f"{where(key)}: a weight is not that of the rewind point"


def _controls(files: Files) -> Iterator[str]:
    """As far as masks show it; of a control that we do not know, that it keeps as many weights."""
    named = files.run.config.get("controls", {})
    nodes = named.items() if isinstance(named, dict) else ()  # once a list of names
    kinds = {arm: str(node.get("_target_")).rpartition(".")[2] for arm, node in nodes}
    for key in files.keys:
        round, arm, seed = key
        if arm in (DENSE, WINNING):
            continue
        ours, ticket = files.mask(key), files.mask((round, WINNING, seed))
        if masks.remaining(ours) != masks.remaining(ticket):
            yield f"{where(key)}: other weights in all than the ticket"
        if kinds.get(arm) in _SAME_MASK and not masks.equal(ours, ticket):
            yield f"{where(key)}: the mask is not the ticket's"
        if kinds.get(arm) == "RandomMask":
            if masks.layer_counts(ours) != masks.layer_counts(ticket):
                yield f"{where(key)}: other layer counts than the ticket"
            same = [name for name, m in ticket.items() if masks.can_differ(m) and torch.equal(ours[name], m)]
            if same:
                yield f"{where(key)}: the mask of {same[0]} is the ticket's"


def _tickets(files: Files) -> Iterator[str]:
    config = (files.run.path / names.CONFIG).read_text()
    last = len(files.run.record.get("keep", [])) - 1
    for seed in files.seeds if files.run.status == "done" else ():
        if files.tickets_of(seed)[-1][0] < last:  # it diverged, as run.json says
            continue
        file = files.run.path / names.ticket(seed)
        try:
            ticket = Ticket.load(file)
        except (OSError, ValueError) as error:
            yield f"{file.name}: {str(error)[:80]}"
            continue
        name, keys = f"tickets/{file.name}", files.tickets_of(seed)
        if not masks.equal(ticket.mask, files.mask(keys[-1])):
            yield f"{name}: not the mask of round {keys[-1][0]}"
        hashes = {"mask": sha256(ticket.mask), "weights": sha256(ticket.weights)}
        if ticket.metadata.get("sha256") != hashes:
            yield f"{name}: its metadata names other hashes"
        if ticket.metadata.get("config") != config:
            yield f"{name}: its metadata holds another config"
        if not any(_same(ticket.weights, start) for start in _starts(files, seed, keys[:-1])):
            yield f"{name}: its weights are not those of the rewind point"


def _starts(files: Files, seed: int, keys: Sequence[Key]) -> Iterator[Params]:
    """What a ticket after those of `keys` may start from under the config's rewind strategy; one unknown: either."""
    strategy = files.run.config.get("rewind", {}).get("_target_")
    if strategy not in _TRAINED:
        yield files.rewind(seed)
    if strategy not in _REWOUND:
        last = dict(files.state(keys[0])[1].params)
        for mask, state in map(files.state, keys[1:]):  # a pruned weight has the last value that it had alive
            last = {n: torch.where(mask[n], p, last[n]) if n in mask else p for n, p in state.params.items()}
        yield last


def _same(a: Params, b: Params) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def where(key: Key) -> str:
    """A round's arm in words."""
    return f"round {key[0]}, {key[1]}, seed {key[2]}"
