"""A ticket: a mask with the start weights it belongs to, in one portable file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch

from lth_cli.core.files import open_regular, write
from lth_cli.core.masks import apply as apply_mask
from lth_cli.core.state import Mask, Params
from lth_cli.core.tensors import load, misfit, part, under

MOST = 2**32  # bytes


@dataclass(frozen=True)
class Ticket:
    """A mask and the weights a sparse network starts from.

        ticket = Ticket.load("outputs/…/tickets/seed0.safetensors")
        model.load_state_dict(ticket.state_dict())

    Args:
        mask: bool tensors by parameter name, True where kept; only prunable weights have one.
        weights: all parameters at the rewind point, unmasked.
        buffers: such as running statistics of batch norm.
        pruned_to: values of pruned weights by name, or empty: they are zero.
        metadata: round, seed, density, accuracies, positions and the config, as JSON values. Where the network has
            them: tied (other name -> name, of what has several), transient (buffers that are in no state_dict).
    """

    mask: Mask
    weights: Params
    buffers: Params
    metadata: Mapping[str, Any]
    pruned_to: Params = field(default_factory=dict)

    def state_dict(self) -> Params:
        """Parameters with pruned weights at what they are pruned to, and buffers, for ``load_state_dict``.

        What has several names in the network, such as a tied weight, is under all of them, the same tensor.
        """
        values = {**apply_mask(self.mask, self.weights, self.pruned_to or None), **self.buffers}
        tied = {name: values[first] for name, first in self.metadata.get("tied", {}).items()}
        transient = frozenset(self.metadata.get("transient", ()))
        return {**{name: value for name, value in values.items() if name not in transient}, **tied}

    def save(self, path: str | Path) -> None:
        """Write the ticket into an existing folder, as `to_bytes` has it."""
        write(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """The ticket as safetensors: mask/…, weights/…, buffers/…, pruned_to/… (none: zero) and one JSON text."""
        tensors = {**under("mask", self.mask), **under("weights", self.weights)}
        tensors |= {**under("buffers", self.buffers), **under("pruned_to", self.pruned_to)}
        # One metadata key only: safetensors does not promise an order, and the same ticket must be the same bytes.
        return safetensors.torch.save(tensors, {"ticket": json.dumps(self.metadata)})

    @classmethod
    def load(cls, path: str | Path, root: Path | None = None) -> "Ticket":
        """Read a ticket; no code in it can run.

        Args:
            root: a folder below which no link is followed, such as the run directory that it is read from.

        Raises:
            ValueError: the file is not a ticket.
            OSError: there is no such file, it is no regular one, has holes, or is larger than 4 GiB.
        """
        try:
            with open_regular(Path(path), MOST, root) as file:
                texts, tensors = load(file)
            metadata = json.loads(texts["ticket"])
        except (KeyError, ValueError, RecursionError) as error:
            raise ValueError(f"{path} is not a ticket: {error}") from None
        if not isinstance(metadata, dict):
            raise ValueError(f"{path} is not a ticket: no metadata")
        mask, weights, buffers, at_rest = (part(tensors, name) for name in ("mask", "weights", "buffers", "pruned_to"))
        if (name := misfit(mask, weights)) is not None:
            raise ValueError(f"{path} is not a ticket: the mask of {name} is not of its shape")
        rest = {name: (t.shape, t.dtype) for name, t in at_rest.items()}
        if rest and rest != {name: (weights[name].shape, weights[name].dtype) for name in mask}:
            raise ValueError(f"{path} is not a ticket: what weights are pruned to is not of their shape")
        tied, transient = metadata.get("tied", {}), metadata.get("transient", [])
        known = isinstance(tied, dict) and isinstance(transient, list)
        named = [*tied.values(), *transient] if known else []
        there = {*weights, *buffers}
        if not known or not all(isinstance(name, str) and name in there for name in named):
            raise ValueError(f"{path} is not a ticket: its tied or transient tensors are not in it")
        return cls(mask, weights, buffers, metadata, at_rest)
