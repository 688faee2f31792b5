"""Random pruning."""

import torch

from lth_cli.core.state import Params
from lth_cli.pruners.view import View


def random(view: View) -> Params:
    """A uniform number per weight: what any criterion must beat (Frankle & Carbin 2019, §2; Liu et al. 2022).

    With `pruner.scope` global every weight is as likely to stay as any other; layerwise, every layer has the same
    density; erk, larger layers are sparser.

    Returns:
        Per prunable layer, the weight's shape, in [0, 1).
    """
    return {name: torch.rand(m.shape, generator=view.generator) for name, m in view.mask.items()}
