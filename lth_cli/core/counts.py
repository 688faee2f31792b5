"""How many weights a round keeps, and the questions asked of it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """How many weights a round keeps: in all, ranked over all layers, or layer by layer.

    Args:
        total: over all layers.
        by_layer: of each layer, summing to `total`; None where one ranking over all layers decides.
    """

    total: int
    by_layer: Mapping[str, int] | None = None

    @classmethod
    def each(cls, by_layer: Mapping[str, int]) -> "Counts":
        """A count for each layer."""
        return cls(sum(by_layer.values()), dict(by_layer))

    @classmethod
    def parse(cls, plain: object) -> "Counts":
        """From what `plain` gives; raises ValueError."""
        if type(plain) is int and plain >= 0:
            return cls(plain)
        if isinstance(plain, dict) and all(type(count) is int and count >= 0 for count in plain.values()):
            return cls.each(plain)
        raise ValueError(f"{str(plain)[:40]} is no count of the weights that a round keeps")

    def plain(self) -> int | dict[str, int]:
        """As JSON has it: one number, or one per layer."""
        return self.total if self.by_layer is None else dict(self.by_layer)

    def rankings(self, layers: Iterable[str]) -> list[tuple[list[str], int]]:
        """The layers that compete in one ranking, and how many weights it keeps: all together, or each by itself."""
        if self.by_layer is None:
            return [(list(layers), self.total)]
        return [([layer], self.by_layer[layer]) for layer in layers]

    def match(self, kept: Mapping[str, int]) -> bool:
        """Whether a mask that keeps so many of each layer keeps exactly these."""
        return sum(kept.values()) == self.total if self.by_layer is None else kept == self.by_layer

    def share(self, layer: str, alive: Mapping[str, int]) -> float:
        """The fraction kept of what is alive where `layer` competes, in [0, 1]."""
        if self.by_layer is None:
            return self.total / max(1, sum(alive.values()))
        return self.by_layer[layer] / max(1, alive[layer])

    def on_the_way(self, alive: Mapping[str, int], fraction: float) -> "Counts":
        """What is kept after a fraction of the steps from `alive` to here, geometrically (Tanaka et al. 2020)."""
        if self.by_layer is None:
            return Counts(_between(sum(alive.values()), self.total, fraction))
        return Counts.each({layer: _between(alive[layer], count, fraction) for layer, count in self.by_layer.items()})

    def __str__(self) -> str:
        return str(self.plain())


def _between(alive: int, keep: int, fraction: float) -> int:
    return round(math.pow(alive, 1 - fraction) * math.pow(keep, fraction))
