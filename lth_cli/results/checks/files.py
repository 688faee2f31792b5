"""A run directory, its states read when they are asked for, and those choices of its config that are lth's own."""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lth_cli.core.arms import DENSE, WINNING, drawn_by
from lth_cli.core.state import Mask, Params, Start, State
from lth_cli.lottery.replicate import last_alive
from lth_cli.rundir import names
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.names import Key
from lth_cli.rundir.read import Run
from lth_cli.rundir.restore import read_state
from lth_cli.rundir.tables import Row, read_table
from lth_cli.setup.own import own

_MOST_KEPT = 2**29  # bytes of states in memory
_OF_A_TENSOR = 1000  # of these, beside its values


class NotKnown(str):
    """What cannot be checked from the files, because a choice is not lth's own."""


@dataclass(frozen=True)
class Files:
    """A run directory."""

    run: Run
    _network: dict[str, object] = field(default_factory=dict)
    _kept: dict[str, tuple[Mask, State]] = field(default_factory=dict)

    @cached_property
    def keys(self) -> list[Key]:
        return [(row["round"], row["arm"], row["seed"]) for row in self.run.history]

    @cached_property
    def _drawn(self) -> dict[str, tuple[str, int]]:
        return drawn_by(self.run.config)

    @cached_property
    def seeds(self) -> list[int]:
        return list(dict.fromkeys(seed for _, _, seed in self.keys))

    def state(self, key: Key) -> tuple[Mask, State]:
        """Raises Damaged where it is not of the same network as the others: masks of other shapes may blow up."""
        mask, state = self._read(names.state(key))
        self._same_network(names.state(key), "mask", mask)
        self._same_network(names.state(key), "state", {**state.params, **state.buffers})
        return mask, state

    def mask(self, key: Key) -> Mask:
        return self.state(key)[0]

    def rewind(self, seed: int) -> State:
        """The dense network at the rewind point."""
        _, state = self._read(names.rewind(seed))
        self._same_network(names.rewind(seed), "state", {**state.params, **state.buffers})
        return state

    def _read(self, name: str) -> tuple[Mask, State]:
        """From the disk, or as it was read of late: each check asks for every state, and for others beside it."""
        if name in self._kept:
            self._kept[name] = self._kept.pop(name)
            return self._kept[name]
        mask, state = self._kept[name] = read_state(self.run.path, name)
        tensors = itertools.chain(*(part.values() for part in (mask, state.params, state.buffers, state.moments)))
        fitting = _MOST_KEPT // (1 + sum(t.nbytes + _OF_A_TENSOR for t in tensors))
        for oldest in list(self._kept)[: -max(1, fitting)]:
            del self._kept[oldest]
        return mask, state

    def _same_network(self, name: str, part: str, tensors: Params) -> None:
        """As the first one that was read."""
        found = {name: (t.shape, t.dtype) for name, t in tensors.items()}
        if found != self._network.setdefault(part, found):
            raise Damaged(f"{self.run.path / name}: a state of another network than others of this run")

    def tickets_of(self, seed: int) -> list[Key]:
        """The dense network and the winning tickets of a seed, round by round."""
        return self._tickets.get(seed, [])

    @cached_property
    def _tickets(self) -> dict[int, list[Key]]:
        found: dict[int, list[Key]] = defaultdict(list)
        for key in self.keys:
            if key[1] in (DENSE, WINNING):
                found[key[2]].append(key)
        return found

    def starts(self, seed: int) -> Iterator[tuple[Key, Start | NotKnown]]:
        """Each winning ticket of a seed, round by round, and where it starts."""
        keys = self.tickets_of(seed)
        strategy = self.choice("rewind")
        if self.run.config.get("ticket") is not None:
            strategy = NotKnown("the ticket was given: where it starts stands in a file of another run")
        if isinstance(strategy, NotKnown) or len(keys) < 2:
            yield from ((key, strategy) for key in keys[1:])
            return
        at, total = (self.run.record.get(key, 0) for key in ("rewind_to", "iterations"))
        saved = self.rewind(seed)
        _, trained = self.state(keys[0])
        for before, key in itertools.pairwise(keys):
            if before != keys[0]:
                mask, state = self.state(before)
                trained = last_alive(state, mask, trained)
            start: Start = strategy.restart(saved, trained, at, total)
            yield key, start

    def choice(self, *keys: str) -> Any | NotKnown:
        """What the config chooses there, made from it, if it is lth's own."""
        node: Any = self.run.config
        for key in keys:
            node = node.get(key, {}) if isinstance(node, Mapping) else {}
        made = own(keys[0], node)
        if made is not None:
            return made
        target = node.get("_target_") if isinstance(node, Mapping) else None
        return NotKnown(f"{'.'.join(keys)}: {str(target)[:80]} is not lth's own")

    def control(self, arm: str) -> Any | NotKnown:
        """The control of an arm, whichever draw it is."""
        name, _ = self._drawn.get(arm, (arm, 0))
        return self.choice("controls", name)

    def table(self, name: str) -> dict[Key, list[Row]]:
        return read_table(self.run.path, name, self.run.record["format"])


def where(key: Key) -> str:
    """A round's arm in words."""
    return f"round {key[0]}, {key[1]}, seed {key[2]}"
