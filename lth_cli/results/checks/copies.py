"""The check that nothing was copied: two controls, two seeds or their rewind points are never the same bits."""

import hashlib
import itertools
from collections.abc import Iterator
from typing import Any

import torch

from lth_cli.controls.control import Control
from lth_cli.core.arms import DENSE, OWN
from lth_cli.core.state import Mask, State
from lth_cli.core.tensors import pack, sha256
from lth_cli.results.checks.files import Files, NotKnown, where
from lth_cli.rundir import names
from lth_cli.rundir.names import Key
from lth_cli.rundir.tables import Row

_FEW = 20  # weights of which two random masks may be the same by chance


def copies(files: Files) -> Iterator[str]:
    yield from _controls(files)
    yield from _rewinds(files)
    yield from _curves(files)


def _controls(files: Files) -> Iterator[str]:
    """Of one round and seed. What is not lth's own may well be another's equal."""
    known: dict[str, Any] = {arm: files.control(arm) for arm in {key[1] for key in files.keys}.difference(OWN)}
    seen = dict[tuple[int, int, str], list[Key]]()
    for key in files.keys:
        if isinstance(known.get(key[1], NotKnown()), NotKnown):
            continue
        mask, state = files.state(key)
        if _can_differ(mask):
            seen.setdefault((key[0], key[2], sha256(pack(mask, State(state.params, {})))), []).append(key)
    signed = files.run.config.get("init") == "signed_constant"
    for same in seen.values():
        for one, other in itertools.combinations(same, 2):
            if _must_differ(known[one[1]], known[other[1]], signed):
                yield f"{where(other)}: the network of {where(one)}"


def _must_differ(one: Control, other: Control, signed: bool) -> bool:
    """Draws of one control must. Smart ratios of two outputs may have the same counts, and under signs of one size
    two controls that keep signs may be the same."""
    if one == other:
        return True
    kinds = [(type(control), getattr(control, "keep_sign", None)) for control in (one, other)]
    return kinds[0] != kinds[1] and not (signed and kinds[0][1] and kinds[1][1])


def _can_differ(mask: Mask) -> bool:
    return sum(min(int(m.sum()), m.numel() - int(m.sum())) for m in mask.values()) >= _FEW


def _rewinds(files: Files) -> Iterator[str]:
    first = dict[str, int]()
    for seed in files.seeds:
        if not (files.run.path / names.rewind(seed)).exists():  # which the hashes tell
            continue
        other = first.setdefault(sha256(files.rewind(seed).params), seed)
        if other != seed:
            yield f"the rewind point of seed {seed} is that of seed {other}"


def _curves(files: Files) -> Iterator[str]:
    """No two trainings lose just the same on the way: dense networks of two seeds, or arms that ended as others."""
    curves, first = files.table(names.CURVES), dict[str, Key]()
    trained = {key for key, row in zip(files.keys, files.run.history, strict=True) if row["iterations"] > 0}
    for key in (key for key in files.keys if key in trained and curves.get(key)):
        other = first.setdefault(hashlib.sha256(dense_curve(curves[key]).encode()).hexdigest(), key)
        if other == key:
            continue
        if key[1] == other[1] == DENSE or (_moves(curves[key]) and _ended_otherwise(files, key, other)):
            yield f"{where(key)}: the learning curve of {where(other)}"


def _moves(curve: list[Row]) -> bool:
    """Whether its losses change: those of a network without a connection may not."""
    return len({point["val_loss"] for point in curve}) > 1


def _ended_otherwise(files: Files, key: Key, other: Key) -> bool:
    """Whether two arms have no trained tensor the same.

    The same training gives all the same, as where nothing is pruned; and where pruning has cut the network in two, what
    lies behind the cut, such as the biases of the output, is trained the same in any arm.
    """
    one, two = (files.state(place)[1].params for place in (key, other))
    return not any(bool(p.any()) and torch.equal(p, two[name]) for name, p in one.items())


def dense_curve(rows: list[Row]) -> str:
    """A learning curve, whoever's it is."""
    return repr([{name: value for name, value in row.items() if name not in ("round", "arm", "seed")} for row in rows])
