"""The check that nothing was left out: each arm that config.yaml asks for, in every table and in the manifest."""

import os
from collections.abc import Container, Iterator
from typing import Any

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING, drawn
from lth_cli.results.checks.files import Files, NotKnown, where
from lth_cli.rundir import names
from lth_cli.rundir.manifest import Manifest
from lth_cli.rundir.names import Key


def arms(files: Files) -> Iterator[str]:
    """In the rounds that count: a kill may have come between one table and the next."""
    manifest = Manifest.load(files.run.path)
    done = files.run.status == "done"
    keys = {key for key in files.keys if done or key[0] in manifest.rows}
    for table in (names.LAYERS, names.CURVES):
        there = {key for key in files.table(table) if done or key[0] in manifest.rows}
        yield from (f"{where(key)}: not in {table}" for key in sorted(keys - there))
        yield from (f"{where(key)}: in {table}, but not in history" for key in sorted(there - keys))
    states = {key for name in manifest.files if (key := names.key_of(name)) is not None and not names.is_rewind(name)}
    yield from (f"{where(key)}: its state is not in manifest.json" for key in sorted(keys - states))
    yield from (f"{where(key)}: a state, but not in history" for key in sorted(states - keys))
    rewinds = {key[2] for name in manifest.files if names.is_rewind(name) and (key := names.key_of(name)) is not None}
    dense = {seed for _, arm, seed in keys if arm == DENSE}
    for seed in sorted(rewinds ^ dense):
        wrong = f"is not in {names.MANIFEST}" if seed in dense else "is of a seed that is not in history"
        yield f"{names.rewind(seed)} {wrong}"
    yield from (f"{where(key)}: no arm of this round" for key in sorted(keys) if (key[1] == DENSE) != (key[0] == 0))
    for one in files.run.record.get("diverged", []):
        name = names.state(key := (one["round"], one["arm"], one["seed"]))
        if key not in keys and names.key_of(name) == key and os.path.lexists(files.run.path / name):
            yield f"{where(key)}: it diverged, as run.json says, but its state is there"
    yield from _controls(files, keys)


def _controls(files: Files, keys: set[Key]) -> Iterator[str]:
    """Those of `controls_at`; a run that went on with more rounds has those of its earlier last round, too."""
    config = files.run.config
    controls, rounds = config.get("controls"), config.get("rounds")
    if not isinstance(controls, dict) or "controls_at" not in config or type(rounds) is not int:
        yield NotKnown("which controls there must be: config.yaml does not say it by controls, controls_at and rounds")
        return
    at = _rounds(config["controls_at"], rounds)
    asked = drawn(controls)
    always = [DENSE_RETRAINED] if config.get("dense_retrained") is True else []
    arms = {DENSE, WINNING, *asked, *always}
    for key in sorted(keys):
        if key[1] not in arms:
            yield f"{where(key)}: config.yaml does not ask for it"
    diverged = {(one["round"], one["arm"], one["seed"]) for one in files.run.record.get("diverged", [])}
    known = keys | diverged
    over = {(arm, seed): round for round, arm, seed in sorted(diverged, reverse=True) if arm in always}
    for round, arm, seed in sorted(keys):
        for name in [*(asked if round in at else ()), *always] if arm == WINNING else ():
            if (round, name, seed) not in known and round < over.get((name, seed), round + 1):
                yield f"{where((round, name, seed))}: config.yaml asks for it, but it is not in history"


def _rounds(at: Any, last: int) -> Container[int]:
    """As `setup.schema` has it, without Hydra."""
    if at == "all":
        return range(1, last + 1)
    return {last} if at == "last" else frozenset(at if isinstance(at, list) else [at])
