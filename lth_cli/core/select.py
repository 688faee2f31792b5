"""Scores and how many to keep -> mask. Shared by every pruner, so that k is always exactly k."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lth_cli.core.counts import Counts
from lth_cli.core.masks import remaining
from lth_cli.core.state import Mask

_PIECE = 2**22


def select(scores: Mapping[str, Tensor], mask: Mask, keep: Counts) -> Mask:
    """Keep the highest-scoring weights that are still alive; never revive a pruned one.

    Args:
        scores: per layer, the weight's shape, any real number or ±inf; larger is kept. Scores of pruned weights are
            ignored. Equal scores are told apart by index: the earlier layer, then the earlier weight, is kept.
        mask: the weights alive now.
        keep: how many in all, in one ranking over all layers, or how many of each layer.

    Raises:
        ValueError: a NaN score, or more to keep than are alive.
    """
    if keep.by_layer is not None and keep.by_layer.keys() != mask.keys():
        raise ValueError(f"keep names the layers {sorted(keep.by_layer)}, the mask {sorted(mask)}")
    kept: Mask = {}
    for layers, k in keep.rankings(mask):
        where = "the network" if keep.by_layer is None else layers[0]
        kept |= _top(scores, {name: mask[name] for name in layers}, k, where)
    return kept


def _top(scores: Mapping[str, Tensor], mask: Mask, k: int, where: str) -> Mask:
    """One ranking over the layers of `mask`."""
    alive = remaining(mask)
    if not 0 <= k <= alive:
        raise ValueError(f"cannot keep {k:,} weights of {where}: {alive:,} are alive")
    values = _alive_values(scores, mask, alive)
    if bool(values.isnan().any()):
        wrong = [name for name, m in mask.items() if bool(scores[name][m].isnan().any())]
        raise ValueError(f"a score of {wrong[0]} is NaN")
    if k == 0:
        return {name: torch.zeros_like(m) for name, m in mask.items()}
    threshold, kind = _kth_largest(values, k), values.dtype
    del values
    kept = {name: (scores[name].to(kind) > threshold).logical_and_(m).contiguous() for name, m in mask.items()}
    room = k - remaining(kept)
    for name, m in mask.items():
        ties = (scores[name].to(kind) == threshold).logical_and_(m).flatten().nonzero()[:room, 0]
        kept[name].view(-1)[ties] = True
        room -= len(ties)
    return kept


def _alive_values(scores: Mapping[str, Tensor], mask: Mask, alive: int) -> Tensor:
    """The scores of the weights alive, copied piece by piece: indexing all at once would hold an index per weight."""
    short = all(scores[name].dtype in (torch.float32, torch.bfloat16, torch.float16) for name in mask)
    values = torch.empty(alive, dtype=torch.float32 if short else torch.float64)
    at = 0
    for name, m in mask.items():
        pieces = zip(torch.split(scores[name].flatten(), _PIECE), torch.split(m.flatten(), _PIECE), strict=True)
        for piece in (score[kept] for score, kept in pieces):
            values[at : at + len(piece)] = piece
            at += len(piece)
    return values


def _kth_largest(values: Tensor, k: int) -> float:
    """Reorders `values`: NumPy partitions in place, where torch.kthvalue copies them and holds an index per value."""
    array = values.numpy()
    place = len(array) - k
    array.partition(place)
    return float(array[place])
