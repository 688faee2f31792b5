"""Networks in training: one module, or a stack of them along a leading axis. A step sees no difference.

Rows are the networks that train together. Images come row after row, as (rows * batch, …), and logits leave so.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from lth_cli.core.spelling import gist
from lth_cli.core.state import Mask, Params, State
from lth_cli.models.network import empty
from lth_cli.models.ties import Functional
from lth_cli.training.jobs import Job
from lth_cli.training.layout import mask_factors, masked, plain, pruned_to
from lth_cli.training.noise import noise_of

Build = Callable[[], nn.Module]

_NONE: Params = {}


class Network(Protocol):
    """What the step and the evaluation need of the rows.

    Args:
        rows: how many train together.
        params: leaves that require a gradient, by name; in a stack with a leading row axis.
        buffers: likewise.
    """

    rows: int
    params: Params
    buffers: Params

    def logits(self, images: Tensor, noise: Tensor) -> Tensor:
        """Training mode: (rows * batch, …) -> (rows * batch, classes); `noise` (rows,) keys what dropout draws."""

    def evaluated(self) -> Callable[[Tensor], Tensor]:
        """The networks as they are, in evaluation mode: the same (batch, …) for every row -> (rows, batch, classes)."""

    def masks(self) -> dict[str, Tensor]:
        """By name, in the layout of the parameters; empty when nothing is pruned."""

    def pruned_to(self) -> dict[str, Tensor]:
        """Likewise, the value of each weight that is pruned, 0 where it is not; empty when all of them are zero."""

    def state(self, row: int) -> State:
        """A copy on the CPU, in plain layout."""

    def mask(self, row: int) -> Mask:
        """The mask of its job, or the one that it has learned, on the CPU."""


class Plain(Network, Protocol):
    """A network of which some weights can be others for one call."""

    def logits(self, images: Tensor, noise: Tensor, weights: Params = _NONE) -> Tensor: ...

    def evaluated(self, weights: Params = _NONE) -> Callable[[Tensor], Tensor]: ...


class One:
    """A single module, channels-last."""

    rows = 1

    def __init__(self, build: Build, job: Job, device: torch.device) -> None:
        self.job = job
        self.module = empty(build, device)
        fill(self.module, State(masked(job), job.start.state.buffers))
        self.module.to(memory_format=torch.channels_last)
        self._function = Functional(self.module)
        self.params: Params = dict(self.module.named_parameters())
        self.buffers: Params = dict(self.module.named_buffers())
        self._noise = noise_of(self.module)

    def logits(self, images: Tensor, noise: Tensor, weights: Params = _NONE) -> Tensor:
        _mode(self.module, training=True)
        with self._noise(noise[0]):
            return self._forward(weights, images)

    def evaluated(self, weights: Params = _NONE) -> Callable[[Tensor], Tensor]:
        _mode(self.module, training=False)
        return lambda images: self._forward(weights, images).unsqueeze(0)

    def _forward(self, weights: Params, images: Tensor) -> Tensor:
        logits: Tensor = self._function(weights, images) if weights else self.module(images)
        return logits

    def masks(self) -> dict[str, Tensor]:
        return mask_factors([self.job], {name: p.detach() for name, p in self.params.items()})

    def pruned_to(self) -> dict[str, Tensor]:
        return pruned_to([self.job], {name: p.detach() for name, p in self.params.items()})

    def state(self, row: int) -> State:
        return State(plain(self.params), plain(self.buffers))

    def mask(self, row: int) -> Mask:
        return self.job.mask


class Stack:
    """Modules of one architecture as one module over stacked values, through torch.func.vmap.

    A layer that draws random numbers in any way but torch.nn.Dropout is refused: what a row draws must not depend on
    the rows beside it.
    """

    def __init__(self, build: Build, jobs: Sequence[Job], device: torch.device) -> None:
        self.jobs, self.rows = jobs, len(jobs)
        self.module = empty(build, torch.device("meta"))
        self._function, self._noise = Functional(self.module), noise_of(self.module)
        starts = [masked(job) for job in jobs]
        buffers = [job.start.state.buffers for job in jobs]

        def stack(rows: Sequence[Params], name: str) -> Tensor:
            return torch.stack([row[name] for row in rows]).to(device)

        # In the order of the module, whatever that of the start: a checkpoint counts on it.
        self.params = {name: stack(starts, name).requires_grad_() for name, _ in self.module.named_parameters()}
        self.buffers = {name: stack(buffers, name) for name, _ in self.module.named_buffers()}

    def logits(self, images: Tensor, noise: Tensor, weights: Params = _NONE) -> Tensor:
        _mode(self.module, training=True)

        def row(values: Params, x: Tensor, key: Tensor) -> Tensor:
            with self._noise(key):
                return self._function(values, x)

        values = {**self.params, **self.buffers, **weights}
        batches = images.view(self.rows, -1, *images.shape[1:])
        return torch.func.vmap(row, randomness="error")(values, batches, noise).flatten(0, 1)

    def evaluated(self, weights: Params = _NONE) -> Callable[[Tensor], Tensor]:
        _mode(self.module, training=False)
        values = {**self.params, **self.buffers, **weights}

        def row(values: Params, x: Tensor) -> Tensor:
            return self._function(values, x)

        def logits(images: Tensor) -> Tensor:
            return torch.func.vmap(row, in_dims=(0, None))(values, images)

        return logits

    def masks(self) -> dict[str, Tensor]:
        return mask_factors(self.jobs, {name: p.detach() for name, p in self.params.items()})

    def pruned_to(self) -> dict[str, Tensor]:
        return pruned_to(self.jobs, {name: p.detach() for name, p in self.params.items()})

    def state(self, row: int) -> State:
        return State(
            plain({name: p[row] for name, p in self.params.items()}),
            plain({name: b[row] for name, b in self.buffers.items()}),
        )

    def mask(self, row: int) -> Mask:
        return self.jobs[row].mask


def does_not_stack(build: Build, shape: Sequence[int]) -> str | None:
    """Why a network cannot train in a stack, or None where it can; found without computing anything.

    Args:
        shape: of an image.
    """
    meta = torch.device("meta")
    module = empty(build, meta)
    function = Functional(module)
    values = {name: torch.stack([t, t]) for name, t in (*module.named_parameters(), *module.named_buffers())}

    def row(values: Params, x: Tensor, key: Tensor) -> Tensor:
        with noise_of(module)(key):
            return function(values, x)

    images, keys = torch.empty((2, 2, *shape), device=meta), torch.empty(2, dtype=torch.int64, device=meta)
    try:
        torch.func.vmap(row, randomness="error")(values, images, keys)
    except RuntimeError as error:
        return gist(str(error))
    return None


def network_of(build: Build, jobs: Sequence[Job], device: torch.device) -> Plain:
    """One job as a plain module, several as a stack."""
    return One(build, jobs[0], device) if len(jobs) == 1 else Stack(build, jobs, device)


def fill(module: nn.Module, state: State) -> None:
    """Copy parameters and buffers into a module, each into all its places."""
    with torch.no_grad():
        for values, places in ((state.params, module.named_parameters()), (state.buffers, module.named_buffers())):
            for name, tensor in places:
                tensor.copy_(values[name])


def _mode(module: nn.Module, training: bool) -> None:
    """Walks the modules only when the mode changes."""
    if module.training != training:
        module.train(training)
