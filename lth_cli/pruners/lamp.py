"""LAMP: layer-adaptive magnitude pruning."""

import torch

from lth_cli.core.state import Params
from lth_cli.pruners.view import View


def lamp(view: View) -> Params:
    """w² over the sum of the w² of its layer that are at least as large (Lee et al. 2021, equation 4).

    Layers become comparable: the largest weight of each has score 1, so a global ranking empties none before all the
    others are down to one weight.

    Returns:
        Per prunable layer, the weight's shape, float64, in [0, 1]. Of equal weights the earlier one counts as larger.
    """
    scores = {}
    for name, m in view.mask.items():
        squares, order = view.params[name].double().square().flatten().sort(descending=True, stable=True)
        at_least = squares.cumsum(0).clamp_min(torch.finfo(torch.float64).tiny)
        scores[name] = torch.empty_like(squares).index_copy_(0, order, squares / at_least).reshape(m.shape)
    return scores
