"""A ticket that was found elsewhere, trained on another data set, optimizer or length (Morcos et al. 2019)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from lth_cli.core import masks
from lth_cli.core.layers import Layer
from lth_cli.core.state import Mask, Params, State
from lth_cli.core.ticket import Ticket


@dataclass(frozen=True)
class Given:
    """A ticket that fits a network.

    Args:
        mask: of the ticket; dense in a new output layer.
        state: its weights and buffers, without a new output layer.
        notes: what is new.
    """

    mask: Mask
    state: State
    notes: list[str]

    def state_for(self, fresh: State) -> State:
        """The ticket's weights; those of a new output layer are the replicate's own, from `fresh`."""
        return State({**fresh.params, **self.state.params}, {**fresh.buffers, **self.state.buffers})


def fit_to(ticket: Ticket, fresh: State, layers: Mapping[str, Layer]) -> Given:
    """Fit a ticket to a network, with a new output layer where the number of classes differs.

    Args:
        fresh: any state of the network.
        layers: its prunable ones.

    Raises:
        ValueError: the ticket is of another network, or of images of another shape, or its weights are not finite.
    """
    theirs, ours = {**ticket.weights, **ticket.buffers}, {**fresh.params, **fresh.buffers}
    if theirs.keys() != ours.keys() or ticket.mask.keys() != layers.keys():
        alone = sorted(theirs.keys() ^ ours.keys()) or sorted(ticket.mask.keys() ^ layers.keys())
        raise ValueError(f"a ticket of another network: only one of the two has {alone[0]}")
    for name, kept in ticket.mask.items():
        if kept.dtype != torch.bool or kept.shape != theirs[name].shape:
            raise ValueError(f"the mask of {name} is {tuple(kept.shape)} of {kept.dtype}, no mask of its weights")
    for name, values in ours.items():
        if theirs[name].dtype != values.dtype:
            raise ValueError(f"{name} is {theirs[name].dtype} there, and {values.dtype} here")
    for name, values in ticket.weights.items():
        if not bool(values.isfinite().all()):
            raise ValueError(f"{name} is not finite there")
    output = [name for name, layer in layers.items() if layer.kind == "output"]
    replaceable = [*output, *(name.removesuffix("weight") + "bias" for name in output)]
    new = [name for name, values in ours.items() if theirs[name].shape != values.shape]
    for name in new:
        if name not in replaceable or theirs[name].shape[1:] != ours[name].shape[1:]:
            there, here = tuple(theirs[name].shape), tuple(ours[name].shape)
            raise ValueError(f"{name} is {there} there, and {here} here: only the number of classes may differ")

    def known(values: Params) -> Params:
        return {name: value for name, value in values.items() if name not in new}

    mask = {**ticket.mask, **masks.ones(fresh.params, [name for name in new if name in layers])}
    mask = {name: mask[name] for name in layers}  # a file has them in another order
    notes = [f"{output[0]} is new, fresh and dense: {len(theirs[output[0]])} classes there"] if new else []
    if ticket.pruned_to:
        notes.append("where the ticket was found its pruned weights were not zero; here they are what pruned_to says")
    return Given(mask, State(known(ticket.weights), known(ticket.buffers)), notes)
