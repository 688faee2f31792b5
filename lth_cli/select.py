"""Scores and how many to keep -> mask. Shared by every pruner, so that k is always exactly k."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lth_cli.masks import Mask, layer_counts


def select(scores: Mapping[str, Tensor], mask: Mask, keep: int | Mapping[str, int]) -> Mask:
    """Keep the highest-scoring weights that are still alive; never revive a pruned one.

    Args:
        scores: per layer, the weight's shape, any real number or ±inf; larger is kept. Scores of pruned weights are
            ignored. Equal scores are told apart by index: the earlier layer, then the earlier weight, is kept.
        mask: the weights alive now.
        keep: how many in all (one ranking over all layers), or how many in each layer.

    Raises:
        ValueError: a NaN score, or more to keep than are alive.
    """
    if isinstance(keep, int):
        alive = torch.cat([m.flatten() for m in mask.values()])
        flat = torch.cat([scores[name].flatten() for name in mask])
        parts = torch.split(_top(flat, alive, keep, "the network"), [m.numel() for m in mask.values()])
        return {name: part.reshape(m.shape) for (name, m), part in zip(mask.items(), parts, strict=True)}
    if keep.keys() != mask.keys():
        raise ValueError(f"keep names the layers {sorted(keep)}, the mask {sorted(mask)}")
    return {
        name: _top(scores[name].flatten(), m.flatten(), keep[name], name).reshape(m.shape) for name, m in mask.items()
    }


def counts_match(mask: Mask, keep: int | Mapping[str, int]) -> bool:
    """Whether a mask keeps exactly what was asked for."""
    counts = layer_counts(mask)
    return sum(counts.values()) == keep if isinstance(keep, int) else counts == dict(keep)


def _top(scores: Tensor, alive: Tensor, k: int, where: str) -> Tensor:
    candidates = scores[alive]
    if not 0 <= k <= candidates.numel():
        raise ValueError(f"cannot keep {k:,} weights of {where}: {candidates.numel():,} are alive")
    if bool(candidates.isnan().any()):
        raise ValueError(f"a score in {where} is NaN")
    if k == 0:
        return torch.zeros_like(alive)
    threshold = candidates.kthvalue(candidates.numel() - k + 1).values
    kept = alive & (scores > threshold)
    ties = (alive & (scores == threshold)).nonzero().flatten()
    kept[ties[: k - int(kept.sum())]] = True
    return kept
