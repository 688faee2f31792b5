"""A run directory, its states read when they are asked for, and those choices of its config that are lth's own."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lth_cli.core.arms import DENSE, WINNING
from lth_cli.core.state import Mask, Params, Start, State
from lth_cli.lottery.replicate import last_alive
from lth_cli.rundir import names
from lth_cli.rundir.names import Key
from lth_cli.rundir.read import Run
from lth_cli.rundir.restore import read_state
from lth_cli.rundir.tables import Row, read_table
from lth_cli.setup.own import own


class NotKnown(str):
    """What cannot be checked from the files, because a choice is not lth's own."""


@dataclass(frozen=True)
class Files:
    """A run directory."""

    run: Run

    @cached_property
    def keys(self) -> list[Key]:
        return [(row["round"], row["arm"], row["seed"]) for row in self.run.history]

    @cached_property
    def seeds(self) -> list[int]:
        return list(dict.fromkeys(seed for _, _, seed in self.keys))

    def state(self, key: Key) -> tuple[Mask, State]:
        return read_state(self.run.path, names.state(key))

    def mask(self, key: Key) -> Mask:
        return self.state(key)[0]

    def rewind(self, seed: int) -> State:
        """The dense network at the rewind point."""
        return read_state(self.run.path, names.rewind(seed))[1]

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

    def start(self, seed: int, before: Sequence[Key]) -> Params | NotKnown:
        """What the ticket starts from that comes after the dense network and the tickets `before`."""
        if self.run.config.get("ticket") is not None:
            return NotKnown("the ticket was given: where it starts stands in a file of another run")
        strategy = self.choice("rewind")
        if isinstance(strategy, NotKnown):
            return strategy
        _, trained = self.state(before[0])
        for mask, state in map(self.state, before[1:]):
            trained = last_alive(state, mask, trained)
        at, total = (self.run.record.get(key, 0) for key in ("rewind_to", "iterations"))
        start: Start = strategy.restart(self.rewind(seed), trained, at, total)
        return start.state.params

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

    def table(self, name: str) -> dict[Key, list[Row]]:
        return read_table(self.run.path, name, self.run.record["format"])


def where(key: Key) -> str:
    """A round's arm in words."""
    return f"round {key[0]}, {key[1]}, seed {key[2]}"
