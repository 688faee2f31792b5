"""What every network has in common: its prunable layers and its initialisation."""

from collections.abc import Callable

import torch
from torch import nn

from lth_cli.budget import Layer
from lth_cli.rewind import State

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORM = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def prunable(model: nn.Module) -> dict[str, Layer]:
    """Weights of linear and convolutional layers by parameter name, in the order of the network.

    Biases and norm parameters are never pruned. The last linear layer is the output.
    """
    kinds = {
        f"{name}.weight": ("conv" if isinstance(module, _CONV) else "fc", module.weight.numel())
        for name, module in model.named_modules()
        if isinstance(module, (*_CONV, nn.Linear))
    }
    linear = [name for name, (kind, _) in kinds.items() if kind == "fc"]
    return {
        name: Layer(size, "output" if linear and name == linear[-1] else kind) for name, (kind, size) in kinds.items()
    }


def initialiser(build: Callable[[], nn.Module]) -> Callable[[torch.Generator], State]:
    """generator -> a fresh network: Gaussian Glorot weights, zero biases, norms as PyTorch sets them.

    The source is Glorot & Bengio (2010), normal variant, as Frankle & Carbin (2019, figure 2) use it. `build` is
    called on the meta device, so nothing is drawn from the global generator.
    """

    def init(generator: torch.Generator) -> State:
        with torch.device("meta"):
            model = build()
        model.to_empty(device="cpu")
        for name, module in model.named_modules():
            _initialise(name, module, generator)
        params = {name: p.detach() for name, p in model.named_parameters()}
        return State(params, {name: b.detach() for name, b in model.named_buffers()})

    return init


def _initialise(name: str, module: nn.Module, generator: torch.Generator) -> None:
    if isinstance(module, (*_CONV, nn.Linear)):
        nn.init.xavier_normal_(module.weight, generator=generator)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, _NORM):
        module.reset_parameters()
    elif any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False)):
        raise ValueError(f"no initialisation is known for {name}, a {type(module).__name__}")
