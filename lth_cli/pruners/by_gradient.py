"""Criteria that look at gradients: what the loss, its gradient or the flow through the network feels of a weight."""

import math

import torch
import torch.nn.functional as F

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
