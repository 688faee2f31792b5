"""One training step, shared by every executor."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_cli.training.feed import Feed
from lth_cli.training.hooks import Scope
from lth_cli.training.networks import Network
from lth_cli.training.optimizers import Optimizer


class Step:
    """Batch, forward, backward, optimizer, masks. All it reads and writes is on the device; nothing in it waits.

    Args:
        network: the rows that train.
        feed: where batches come from.
        optimizer: over the network's parameters.
        autocast: makes the context in which the forward pass runs.
        noise: (rows,) int64, what dropout draws from; advances with every step.
        scope: names what runs in it, for a profile.
    """

    def __init__(
        self,
        network: Network,
        feed: Feed,
        optimizer: Optimizer,
        autocast: Callable[[], AbstractContextManager[object]],
        noise: Tensor,
        scope: Scope = nullcontext,
    ) -> None:
        self.network, self.feed, self.optimizer = network, feed, optimizer
        self.autocast, self.noise, self.scope = autocast, noise, scope
        self.params = list(network.params.values())
        masks, pruned_to = network.masks(), network.pruned_to()
        named = [name for name in network.params if name in masks]
        self.masks = [masks[name] for name in named]
        self.pruned_to = [pruned_to[name] for name in named if name in pruned_to]
        self._masked = [i for i, name in enumerate(network.params) if name in masks]
        self.loss = torch.zeros(network.rows, device=noise.device)
        self.at = torch.zeros(1, dtype=torch.int64, device=noise.device)

    def load(self, order: Tensor, rates: Sequence[float], at: int) -> None:
        """Take up an epoch at its batch number `at`.

        Args:
            order: (batches, rows, batch) indices.
            rates: learning rate of each batch.
        """
        if not hasattr(self, "order"):
            self.order, self.rates = torch.empty_like(order), torch.empty(len(rates), device=order.device)
        self.order.copy_(order)
        self.rates.copy_(torch.tensor(rates))
        self.at.fill_(at)
        self.feed.load(self.order[at:].flatten(1))

    def __call__(self) -> None:
        """Take one step with the batch that is due, and add its losses to `loss` (rows,)."""
        with self.scope("data"):
            x, y = self.feed(self.order.index_select(0, self.at).flatten())
            rate = self.rates.index_select(0, self.at).squeeze()
        with self.scope("forward"):
            with self.autocast():
                logits = self.network.logits(x, self.noise)
            losses = F.cross_entropy(logits.float(), y, reduction="none").view(self.network.rows, -1).mean(1)
        with self.scope("backward"):
            # Rows share nothing, so this is each row's gradient; of a parameter that the loss does not reach, zero.
            raw = torch.autograd.grad(losses.sum(), self.params, materialize_grads=True)
            gradients = [_laid_out(g, p) for g, p in zip(raw, self.params, strict=True)]
        with torch.no_grad():
            if self.masks:
                with self.scope("masks"):  # gradients too, so that momentum stays zero and can never revive a weight
                    torch._foreach_mul_([gradients[i] for i in self._masked], self.masks)
            with self.scope("optimizer"):
                self.optimizer.step(gradients, rate)
            if self.masks:
                with self.scope("masks"):
                    torch._foreach_mul_([self.params[i] for i in self._masked], self.masks)
                    if self.pruned_to:
                        torch._foreach_add_([self.params[i] for i in self._masked], self.pruned_to)
            self.loss.add_(losses.detach())
            self.at.add_(1)
            self.noise.add_(1)

    def written(self) -> list[Tensor]:
        """All tensors that a step changes."""
        optimizer = [t for tensors in self.optimizer.state().values() for t in tensors]
        return [*self.params, *self.network.buffers.values(), *optimizer, self.loss, self.at, self.noise]


def _laid_out(gradient: Tensor, param: Tensor) -> Tensor:
    """The gradient in the memory layout of its parameter: fused optimizers walk both as they lie, and do not check."""
    return gradient if gradient.stride() == param.stride() else torch.empty_like(param.detach()).copy_(gradient)


def captured(step: Step) -> Callable[[], None]:
    """The step recorded once as a CUDA graph: a call launches it whole, where hundreds of kernels were launched."""
    written = step.written()
    before = [t.detach().clone() for t in written]
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # libraries set themselves up in their first calls, which a graph must not contain
        for _ in range(3):
            step()
            step.at.zero_()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    with torch.no_grad():
        torch._foreach_copy_([t.detach() for t in written], before)
    replay: Callable[[], None] = graph.replay
    return replay
