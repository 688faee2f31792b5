"""Masks as data: ``{layer name: bool tensor of the weight's shape}``, True where the weight is kept."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from lth_cli.core.state import Mask, Params


def ones(params: Mapping[str, Tensor], names: Iterable[str]) -> Mask:
    """The dense mask over the parameters called `names`, in that order."""
    return {name: torch.ones_like(params[name], dtype=torch.bool) for name in names}


def apply(mask: Mask, params: Mapping[str, Tensor], pruned_to: Mapping[str, Tensor] | None = None) -> Params:
    """New parameters with pruned weights at exactly +0.0, or at `pruned_to`; others are passed through."""

    def pruned(name: str, p: Tensor) -> Tensor:
        return torch.where(mask[name], p, torch.zeros_like(p) if pruned_to is None else pruned_to[name])

    return {name: pruned(name, p) if name in mask else p for name, p in params.items()}


def layer_counts(mask: Mask) -> dict[str, int]:
    """Weights kept, per layer."""
    return {name: int(m.sum()) for name, m in mask.items()}


def remaining(mask: Mask) -> int:
    """Weights kept, over all layers."""
    return sum(layer_counts(mask).values())


def total(mask: Mask) -> int:
    """Prunable weights, kept or not."""
    return sum(m.numel() for m in mask.values())


def density(mask: Mask) -> float:
    """Fraction kept, in [0, 1]."""
    return remaining(mask) / total(mask)


def equal(a: Mask, b: Mask) -> bool:
    """Whether two masks keep exactly the same weights."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def within(inner: Mask, outer: Mask) -> bool:
    """Whether `inner` keeps nothing that `outer` has pruned."""
    return all(not bool((m & ~outer[name]).any()) for name, m in inner.items())


def invert(mask: Mask) -> Mask:
    """Keeps exactly what `mask` prunes."""
    return {name: ~m for name, m in mask.items()}


def overlap(a: Mask, b: Mask) -> float:
    """Intersection over union of the weights kept, in [0, 1]; two empty masks overlap fully."""
    both = sum(int((a[name] & b[name]).sum()) for name in a)
    either = sum(int((a[name] | b[name]).sum()) for name in a)
    return both / either if either else 1.0


def empty_layers(mask: Mask) -> list[str]:
    """Layers of which nothing is left: no signal passes them."""
    return [name for name, kept in layer_counts(mask).items() if kept == 0]


def can_differ(m: Tensor) -> bool:
    """Whether a layer's mask has another with the same count: not so where the layer is full or empty."""
    return 0 < int(m.sum()) < m.numel()
