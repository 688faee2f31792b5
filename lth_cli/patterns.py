"""Patterns: which masks are allowed, whatever the criterion.

A pattern turns scores into a mask of its kind, says what counts it can keep, and checks masks after every round.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_cli.core.counts import Counts
from lth_cli.core.layers import Layer
from lth_cli.core.masks import remaining
from lth_cli.core.select import select
from lth_cli.core.state import Mask


@runtime_checkable
class Pattern(Protocol):
    """A pattern of masks."""

    def fit(self, keep: Sequence[Counts], layers: Mapping[str, Layer]) -> list[Counts]:
        """What rounds 0 … n keep under the pattern, given what was asked for.

        Raises:
            ValueError: the pattern does not allow it.
        """

    def select(self, scores: Mapping[str, Tensor], mask: Mask, keep: Counts) -> Mask:
        """As `core.select.select`, under the pattern."""

    def violation(self, mask: Mask, keep: Counts) -> str | None:
        """What breaks the pattern in a mask of that count, or None."""


@dataclass(frozen=True)
class Unstructured:
    """Any weight by itself."""

    def fit(self, keep: Sequence[Counts], layers: Mapping[str, Layer]) -> list[Counts]:
        return list(keep)

    def select(self, scores: Mapping[str, Tensor], mask: Mask, keep: Counts) -> Mask:
        return select(scores, mask, keep)

    def violation(self, mask: Mask, keep: Counts) -> str | None:
        return None


@dataclass(frozen=True)
class NM:
    """At most n of every m consecutive inputs of an output (Mishra et al. 2021, 2:4).

    A linear layer's inputs are its columns. A convolution's are its input channels, at each place of the kernel, which
    is how sparse tensor cores lay out its products. Inputs that m does not divide are thought to be padded with zeros,
    as hardware does it: the last block is short, and may keep up to n of what it has.

    A round may still keep more than the pattern holds, on the way to a sparser one. Then every block keeps at least its
    n best weights, so that nothing is lost which a later round could keep.

    Args:
        n, m: whole numbers, 1 <= n < m.
    """

    n: int
    m: int

    def __post_init__(self) -> None:
        if type(self.n) is not int or type(self.m) is not int or not 1 <= self.n < self.m:
            raise ValueError(f"n={self.n}, m={self.m}: whole numbers with 1 <= n < m")

    def fit(self, keep: Sequence[Counts], layers: Mapping[str, Layer]) -> list[Counts]:
        for names, number in keep[-1].rankings(layers):
            room = sum(self._room(layers[name].shape) for name in names)
            whole = sum(layers[name].size for name in names)
            if number > room:
                where = "all layers" if keep[-1].by_layer is None else names[0]
                raise ValueError(
                    f"{self.n} of {self.m} is at most {room:,} of the {whole:,} weights of {where}, "
                    f"but the last round keeps {number:,}: a sparsity of {1 - self.n / self.m:g} is enough"
                )
        return list(keep)

    def select(self, scores: Mapping[str, Tensor], mask: Mask, keep: Counts) -> Mask:
        kept: Mask = {}
        for names, k in keep.rankings(mask):
            best = {name: self._best(scores[name], mask[name]) for name in names}
            if k <= remaining(best):
                kept |= select(scores, best, Counts(k))
                continue
            others = {name: mask[name] & ~best[name] for name in names}
            more = select(scores, others, Counts(k - remaining(best)))
            kept |= {name: best[name] | more[name] for name in names}
        return kept

    def violation(self, mask: Mask, keep: Counts) -> str | None:
        for names, k in keep.rankings(mask):
            holds = k <= sum(self._room(mask[name].shape) for name in names)
            for name in names:
                kept = self._blocks(mask[name], False).sum(dim=-1)
                enough = self._blocks(torch.ones_like(mask[name]), False).sum(dim=-1).clamp_max(self.n)
                if holds and bool((kept > self.n).any()):
                    return f"a block of {name} keeps more than {self.n} of {self.m}"
                if not holds and bool((kept < enough).any()):
                    return f"a block of {name} keeps fewer than {self.n} of {self.m} while others keep more"
        return None

    def _room(self, shape: Sequence[int]) -> int:
        """The most weights that a layer of that shape may keep."""
        inputs = shape[1]
        return math.prod(shape) // inputs * (inputs // self.m * self.n + min(inputs % self.m, self.n))

    def _blocks(self, weight: Tensor, padding: float | bool) -> Tensor:
        """(out, in, …) -> (out, …, blocks, m)."""
        rows = weight.movedim(1, -1)
        m = min(self.m, rows.shape[-1])  # a block that is longer than that is short
        padded = F.pad(rows, (0, -rows.shape[-1] % m), value=padding)
        return padded.reshape(*rows.shape[:-1], -1, m)

    def _best(self, scores: Tensor, alive: Tensor) -> Tensor:
        """The n best of each block that are alive; ties by index."""
        least = torch.finfo(torch.float64).min
        ranked = torch.where(alive, scores.double().clamp_min(least), -torch.inf)
        order = self._blocks(ranked, -torch.inf).argsort(dim=-1, descending=True, stable=True)
        best = (order.argsort(dim=-1) < self.n).flatten(-2)[..., : alive.shape[1]]
        return best.movedim(-1, 1).contiguous() & alive


@dataclass(frozen=True)
class Filters:
    """Whole filters of a convolution, whole neurons of a linear layer: all weights of an output, or none.

    A filter's score is the mean over its weights; with magnitudes, that of Li et al. (2017). Counts are layer by layer,
    rounded to whole filters, at least one. The bias of a pruned filter stays, as all biases do, and so do the weights
    that take it as input. The output layer is left dense: its neurons are the classes.
    """

    def fit(self, keep: Sequence[Counts], layers: Mapping[str, Layer]) -> list[Counts]:
        fitted = []
        for counts in keep:
            if counts.by_layer is None:
                raise ValueError("whole filters are counted layer by layer: pruner.scope=layerwise")
            whole = {}
            for name, layer in layers.items():
                if layer.kind == "output" and counts.by_layer[name] < layer.size:
                    raise ValueError("a neuron of the output layer is a class: pruner.rates.output=0")
                whole[name] = _filters(counts.by_layer[name], layer.shape) * (layer.size // layer.shape[0])
            fitted.append(Counts.each(whole))
        return fitted

    def select(self, scores: Mapping[str, Tensor], mask: Mask, keep: Counts) -> Mask:
        if keep.by_layer is None:
            raise ValueError("whole filters are counted layer by layer")
        means = {name: scores[name].double().flatten(1).mean(dim=1) for name in mask}
        alive = {name: m.flatten(1).any(dim=1) for name, m in mask.items()}
        filters = {name: _filters(keep.by_layer[name], m.shape) for name, m in mask.items()}
        kept = select(means, alive, Counts.each(filters))
        return {name: m & kept[name].view(-1, *[1] * (m.dim() - 1)) for name, m in mask.items()}

    def violation(self, mask: Mask, keep: Counts) -> str | None:
        for name, m in mask.items():
            rows = m.flatten(1)
            if not torch.equal(rows.any(dim=1), rows.all(dim=1)):
                return f"a filter of {name} is kept in part"
        return None


def _filters(count: int, shape: Sequence[int]) -> int:
    """The whole filters nearest to a count of weights, at least one."""
    return max(1, round(count / math.prod(shape[1:])))
