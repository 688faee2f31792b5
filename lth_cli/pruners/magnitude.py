"""Magnitude pruning."""

from lth_cli.core.state import Params
from lth_cli.pruners.view import View


def magnitude(view: View) -> Params:
    """|w|: the smallest weights go first (Han et al. 2015; Frankle & Carbin 2019, §2).

    Returns:
        Per prunable layer, the weight's shape, at least 0. Not normalised: a global ranking compares raw magnitudes.
    """
    return {name: view.params[name].abs() for name in view.mask}
