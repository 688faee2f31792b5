"""One tensor in several places of a network: a weight that two layers share, or a module under two names.

Here as in ``named_parameters()``, its first name is its name: it has one value, one mask and one gradient.
"""

from typing import Any

import torch
from torch import Tensor, nn

from lth_cli.core.state import Params


class Functional:
    """A module as a function of its values.

    Args:
        module: whose own values are used for what a call does not give.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        named = names(module)
        # Each place once: torch's functional_call would put a value back wrongly where a module has two names.
        self._places = {
            f"{at}.{name}" if at else name: named[id(tensor)]
            for at, part in module.named_modules()
            for name, tensor in own(part).items()
        }

    def __call__(self, values: Params, images: Tensor) -> Tensor:
        """(batch, …) -> (batch, classes), with these parameters and buffers in all their places."""
        everywhere = {place: values[name] for place, name in self._places.items() if name in values}
        logits: Tensor = torch.func.functional_call(self.module, everywhere, (images,), tie_weights=False)
        return logits


def own(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers that a module holds itself, under all their names."""
    held = module.named_parameters(recurse=False, remove_duplicate=False)
    return {**dict(held), **dict(module.named_buffers(recurse=False, remove_duplicate=False))}


def names(module: nn.Module) -> dict[int, str]:
    """The name of each parameter and buffer, by identity."""
    return {id(tensor): name for name, tensor in (*module.named_parameters(), *module.named_buffers())}


def in_state_dict(module: nn.Module) -> dict[str, Any]:
    """How ``module.state_dict()`` differs from parameters and buffers by name; empty where it does not.

    Returns:
        tied: other name -> name, of what has several. transient: buffers that are not in it.
    """
    named = names(module)
    listed = {name: named.get(id(value)) for name, value in module.state_dict(keep_vars=True).items()}
    tied = {name: first for name, first in listed.items() if first not in (None, name)}
    transient = [name for name in named.values() if name not in listed]
    return {**({"tied": tied} if tied else {}), **({"transient": transient} if transient else {})}


def check(module: nn.Module) -> None:
    """Refuse what would train as another network than the one that is meant.

    Raises:
        ValueError: naming the parameter.
    """
    memory: dict[int, str] = {}
    for name, p in module.named_parameters():
        if isinstance(p, nn.parameter.UninitializedParameter):
            raise ValueError(f"{name} is of a lazy layer: say its size")
        if not p.requires_grad:
            raise ValueError(f"{name} requires no gradient: a constant is a buffer, see register_buffer")
        first = memory.setdefault(p.untyped_storage()._cdata, name)
        if first != name:
            raise ValueError(f"{name} is another Parameter in the memory of {first}: to tie them, make them one")
    for name, b in module.named_buffers():
        other = memory.get(b.untyped_storage()._cdata)
        if other is not None:
            raise ValueError(f"the buffer {name} is in the memory of the parameter {other}, which training changes")
