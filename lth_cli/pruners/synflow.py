"""SynFlow: iterative synaptic flow."""

import torch

from lth_cli.core.state import Params
from lth_cli.pruners.view import View


def synflow(view: View) -> Params:
    """|w| * dR/d|w|, R the sum of the outputs of the network of absolute values on an input of ones; no data.

    Tanaka et al. (2020, algorithm 1), to be used with `pruner.steps` = 100: asked anew after each step, it empties no
    layer while another could still give. All parameters and buffers are taken by absolute value, and norms use their
    running statistics, as in the authors' code.

    Deviation: in float64, because the products over layers underflow in the authors' float32.

    Returns:
        Per prunable layer, the weight's shape, float64, at least 0.
    """
    absolute = {name: p.double().abs() for name, p in view.params.items()}
    weights = {name: absolute[name].requires_grad_() for name in view.mask}
    buffers = {name: b.abs() for name, b in view.buffers.items()}
    ones = torch.ones_like(view.examples(1)[0], dtype=torch.float64)
    flow = view.network(absolute, buffers, ones, False).sum()
    gradients = torch.autograd.grad(flow, list(weights.values()), materialize_grads=True)
    return {name: w.detach() * g for (name, w), g in zip(weights.items(), gradients, strict=True)}
