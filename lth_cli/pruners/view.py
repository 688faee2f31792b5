"""What a criterion may look at."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_cli.core.state import Logits, Mask, Params


@dataclass(frozen=True)
class View:
    """A network that is about to be pruned; all tensors are on the CPU and must not be changed.

    Args:
        params: all parameters by name, at the point that `pruner.at` names. Here and below, pruned weights are zero.
        buffers: such as running statistics of batch norm, at the same point.
        init: parameters at the initialisation, iteration 0 of round 0.
        rewind: parameters at the rewind point.
        trained: parameters at the end of the last training.
        mask: the weights alive; its names are the layers to score.
        generator: the criterion's own stream, of (seed, "prune", round).
        draw: number, generator -> that many training examples, or all where there are fewer.
        network: params, buffers, images, training -> logits.
    """

    params: Params
    buffers: Params
    init: Params
    rewind: Params
    trained: Params
    mask: Mask
    generator: torch.Generator
    draw: Callable[[int, torch.Generator], tuple[Tensor, Tensor]]
    network: Logits

    def examples(self, number: int) -> tuple[Tensor, Tensor]:
        """Random training examples, no two the same: images (n, channels, height, width) and labels (n,).

        Raises:
            ValueError: `number` is no whole number from 1.
        """
        if type(number) is not int or number < 1:
            raise ValueError(f"examples={number}: a whole number from 1")
        return self.draw(number, self.generator)

    def logits(self, weights: Params, x: Tensor, training: bool = True) -> Tensor:
        """The network's output (n, classes), differentiable by `weights`; computed in the precision of `x`.

        Args:
            weights: parameters to use in place of those in `params`; not masked here.
            x: images (n, channels, height, width).
            training: whether norms use the batch, as in training, or `buffers`.
        """
        return self.network({**self.params, **weights}, self.buffers, x, training)

    def leaves(self) -> Params:
        """Copies of the prunable weights to differentiate by."""
        return {name: self.params[name].clone().requires_grad_() for name in self.mask}

    def gradients(self, examples: int) -> tuple[Params, Params]:
        """The prunable weights, and the gradient of the mean cross-entropy over random examples; no graph is kept."""
        x, y = self.examples(examples)
        weights = self.leaves()
        loss = F.cross_entropy(self.logits(weights, x), y)
        gradients = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
        return {n: w.detach() for n, w in weights.items()}, dict(zip(weights, gradients, strict=True))
