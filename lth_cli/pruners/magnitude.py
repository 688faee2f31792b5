"""Magnitude pruning."""

from lth_cli.masks import Mask, Params


def magnitude(params: Params, mask: Mask) -> Params:
    """|w|: the smallest trained weights go first (Han et al. 2015; Frankle & Carbin 2019, §2).

    Returns:
        Per prunable layer, the weight's shape, at least 0. Not normalised: a global ranking compares raw magnitudes.
    """
    return {name: params[name].abs() for name in mask}
