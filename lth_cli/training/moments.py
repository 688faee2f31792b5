"""What an optimizer remembers of each parameter, as named tensors: to restore it with the weights it belongs to."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lth_cli.core.state import Params
from lth_cli.training.jobs import Job
from lth_cli.training.layout import plain
from lth_cli.training.networks import Network
from lth_cli.training.optimizers import Optimizer


def taken(network: Network, optimizer: Optimizer, row: int) -> Params:
    """The moments of one network, by what they are and parameter, on the CPU."""
    return plain({name: _of_row(t, row, network.rows) for name, t in _named(network, optimizer).items()})


@torch.no_grad()
def put(network: Network, optimizer: Optimizer, jobs: Sequence[Job]) -> None:
    """Give an optimizer the moments that its jobs start with, if they do; of a pruned weight, none."""
    if not jobs[0].start.state.moments:
        return
    masks = network.masks()
    for name, tensor in _named(network, optimizer).items():
        for row, job in enumerate(jobs):
            _of_row(tensor, row, network.rows).copy_(job.start.state.moments[name])
        if (mask := masks.get(name.partition("/")[2])) is not None and tensor.dim():
            tensor.mul_(mask)


def wrong(moments: Params, params: Params, optimizer: str, momentum: float) -> str | None:
    """What of them an optimizer, adam or sgd with that momentum, cannot remember of a network, or None."""
    kinds = ("first", "second", "steps") if optimizer == "adam" else ("velocity",) if momentum else ()
    wants = {f"{kind}/{name}": _like(kind, p) for kind in kinds for name, p in params.items()}
    there = {name: (t.shape, t.dtype) for name, t in moments.items()}
    if lacking := sorted(wants.keys() - there.keys()):
        return f"moments/{lacking[0]}, of what the optimizer remembers, is missing"
    for name, t in sorted(moments.items()):
        if there[name] != wants.get(name):
            return f"moments/{name} is nothing that the optimizer remembers of this network"
        if bool(t.isnan().any()) or (not name.startswith(("first/", "velocity/")) and bool((t < 0).any())):
            return f"moments/{name} is not a number, or a square below zero"
    return None


def _like(kind: str, p: Tensor) -> tuple[torch.Size, torch.dtype]:
    return (torch.Size(), torch.float32) if kind == "steps" else (p.shape, p.dtype)


def _named(network: Network, optimizer: Optimizer) -> dict[str, Tensor]:
    return {
        f"{what}/{name}": tensor
        for what, tensors in optimizer.state().items()
        for name, tensor in zip(network.params, tensors, strict=True)
    }


def _of_row(tensor: Tensor, row: int, rows: int) -> Tensor:
    """The part of a network that trains in a stack; what is a single number, such as a count of steps, all share."""
    return tensor[row] if rows > 1 and tensor.dim() else tensor
