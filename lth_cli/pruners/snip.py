"""SNIP: single-shot network pruning."""

from lth_cli.core.state import Params
from lth_cli.pruners.view import View


def snip(view: View, examples: int) -> Params:
    """|w * dL/dw|: how much the loss feels a weight's connection (Lee et al. 2019, equations 4-6).

    Deviations: the scores are not divided by their sum, which changes no ranking; the initialisation is the run's own
    (Glorot), where the paper scales variances (its §4.2).

    Args:
        examples: in the one batch; the paper takes 100 on MNIST and 128 on CIFAR-10.

    Returns:
        Per prunable layer, the weight's shape, at least 0.
    """
    weights, gradients = view.gradients(examples)
    return {name: (w * gradients[name]).abs() for name, w in weights.items()}
