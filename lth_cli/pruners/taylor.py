"""Gradient times weight: first-order Taylor pruning of trained networks."""

import torch

from lth_cli.core.state import Params
from lth_cli.pruners.view import View


def taylor(view: View, batches: int, examples: int) -> Params:
    """(w * dL/dw)² averaged over batches: the squared change of the loss without w, to first order.

    Molchanov et al. (2019, equation 8), per weight where the paper sums over filters. At the end of training the mean
    gradient is near zero; that of a batch is not, hence the square before the average.

    Args:
        batches: how many.
        examples: in each.

    Returns:
        Per prunable layer, the weight's shape, at least 0.
    """
    if type(batches) is not int or batches < 1:
        raise ValueError(f"batches={batches}: a whole number from 1")
    scores = {name: torch.zeros_like(view.params[name]) for name in view.mask}
    for _ in range(batches):
        weights, gradients = view.gradients(examples)
        for name, score in scores.items():
            score += (weights[name] * gradients[name]).square() / batches
    return scores
