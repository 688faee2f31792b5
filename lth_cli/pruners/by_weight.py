"""Criteria that look at weights alone: by size, against their layer, or not at all."""

import torch

from lth_cli.core.state import Params
from lth_cli.pruners.view import View


def magnitude(view: View) -> Params:
    """|w|: the smallest weights go first (Han et al. 2015; Frankle & Carbin 2019, §2).

    Returns:
        Per prunable layer, the weight's shape, at least 0. Not normalised: a global ranking compares raw magnitudes.
    """
    return {name: view.params[name].abs() for name in view.mask}


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


def random(view: View) -> Params:
    """A uniform number per weight: what any criterion must beat (Frankle & Carbin 2019, §2; Liu et al. 2022).

    With `pruner.scope` global every weight is as likely to stay as any other; layerwise, every layer has the same
    density; erk, larger layers are sparser.

    Returns:
        Per prunable layer, the weight's shape, in [0, 1).
    """
    return {name: torch.rand(m.shape, generator=view.generator) for name, m in view.mask.items()}
