"""How a criterion ranked the weights when it last saw each."""

from collections.abc import Mapping

import torch
from torch import Tensor

from lth_cli.core.state import Mask, Params


def ranked(scores: Mapping[str, Tensor], mask: Mask, before: Params | None) -> Params:
    """A rank per weight over all layers, larger for what the criterion likes better; no two are equal.

    Args:
        scores: per layer, as `select` has them; those of pruned weights are ignored.
        mask: the weights that were scored; any other ranks below them, as it did `before`.
        before: the ranks of the time before; None where all weights are scored for the first time.
    """
    alive = torch.cat([m.flatten() for m in mask.values()])
    values = torch.cat([scores[name].flatten().double() for name in mask])[alive]
    ranks = torch.zeros(len(alive), dtype=torch.float64)
    lowest = 0.0
    if before is not None:
        ranks = torch.cat([before[name].flatten() for name in mask])
        lowest = float(ranks.max()) + 1
    order = values.argsort(descending=True, stable=True)  # of equals the earlier ranks higher, as `select` keeps it
    places = torch.empty_like(values)
    places[order] = torch.arange(len(values) - 1, -1, -1, dtype=torch.float64)
    ranks[alive] = lowest + places
    pieces = torch.split(ranks, [m.numel() for m in mask.values()])
    return {name: piece.view(m.shape) for (name, m), piece in zip(mask.items(), pieces, strict=True)}
