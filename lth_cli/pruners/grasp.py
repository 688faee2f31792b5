"""GraSP: gradient signal preservation."""

import math

import torch
import torch.nn.functional as F

from lth_cli.core.state import Params
from lth_cli.pruners.view import View


def grasp(view: View, examples: int, temperature: float) -> Params:
    """w * Hg: weights without which the gradient would be weaker are kept (Wang et al. 2020, equations 8-9).

    The paper's importance is S(-w) = -w * Hg, of which it prunes the largest; larger is kept here, so the sign is the
    other one. g is the gradient of the loss by the weights alive, H its Hessian, both on the same batch.

    Deviation: the batch is random where the paper takes ten examples of each class.

    Args:
        examples: in the batch; ten times the number of classes in the paper.
        temperature: divides the logits; 200 in the paper.

    Returns:
        Per prunable layer, the weight's shape, any real.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature={temperature}: a number above 0")
    x, y = view.examples(examples)
    weights = view.leaves()
    loss = F.cross_entropy(view.logits(weights, x) / temperature, y)
    leaves = list(weights.values())
    gradients = torch.autograd.grad(loss, leaves, create_graph=True, materialize_grads=True)
    alive = [g.detach() * m for g, m in zip(gradients, view.mask.values(), strict=True)]
    along = torch.stack([(g * a).sum() for g, a in zip(gradients, alive, strict=True)]).sum()
    products = torch.autograd.grad(along, leaves, materialize_grads=True)
    return {name: w.detach() * hg for (name, w), hg in zip(weights.items(), products, strict=True)}
