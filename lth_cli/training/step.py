"""One training step, shared by every executor."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_cli.training.optimizers import Optimizer


class Step:
    """Forward, backward, optimizer, masks; nothing in it waits for the device.

    Args:
        forward: images (batch, …) -> logits (batch, classes).
        pruned: the prunable weights that have a mask, and their masks as floats of the same shape.
        optimizer: over all parameters.
        autocast: makes the context in which the forward pass runs.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        pruned: Sequence[tuple[Tensor, Tensor]],
        optimizer: Optimizer,
        autocast: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.forward, self.optimizer, self.autocast = forward, optimizer, autocast
        self.weights, self.masks = [weight for weight, _ in pruned], [mask for _, mask in pruned]

    def __call__(self, x: Tensor, y: Tensor, lr: float) -> Tensor:
        """Take one step on a batch and return its loss, a scalar still on the device."""
        with self.autocast():
            loss = F.cross_entropy(self.forward(x).float(), y)
        for parameter in self.optimizer.params:
            parameter.grad = None
        torch.autograd.backward(loss)
        if self.weights:
            # Gradients too, so that momentum stays exactly zero and can never revive a weight.
            torch._foreach_mul_([weight.grad for weight in self.weights if weight.grad is not None], self.masks)
        self.optimizer.step(lr)
        if self.weights:
            with torch.no_grad():
                torch._foreach_mul_(self.weights, self.masks)
        return loss.detach()
