"""What every network has in common: its prunable layers and its initialisation."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lth_cli.core.layers import Layer
from lth_cli.core.state import Logits, Params, State

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORM = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def prunable(model: nn.Module) -> dict[str, Layer]:
    """Weights of linear and convolutional layers by parameter name, in the order of the network.

    Biases and norm parameters are never pruned. The last linear layer is the output.
    """
    kinds = {
        f"{name}.weight": ("conv" if isinstance(module, _CONV) else "fc", tuple(module.weight.shape))
        for name, module in model.named_modules()
        if isinstance(module, (*_CONV, nn.Linear))
    }
    linear = [name for name, (kind, _) in kinds.items() if kind == "fc"]
    return {
        name: Layer(shape, "output" if linear and name == linear[-1] else kind) for name, (kind, shape) in kinds.items()
    }


def initialiser(build: Callable[[], nn.Module], weights: str = "glorot_normal") -> Callable[[torch.Generator], State]:
    """generator -> a fresh network: Gaussian Glorot weights, zero biases, norms as PyTorch sets them.

    The source is Glorot & Bengio (2010), normal variant, as Frankle & Carbin (2019, figure 2) use it. `build` is
    called on the meta device, so nothing is drawn from the global generator.

    Args:
        weights: glorot_normal, or signed_constant: plus or minus √(2 / inputs), the deviation of Kaiming's normal, at
            random (Ramanujan et al. 2020, §4.1, signed Kaiming constant).
    """

    def init(generator: torch.Generator) -> State:
        model = empty(build, torch.device("cpu"))
        for name, module in model.named_modules():
            _initialise(name, module, generator, weights)
        params = {name: p.detach() for name, p in model.named_parameters()}
        return State(params, {name: b.detach() for name, b in model.named_buffers()})

    return init


def empty(build: Callable[[], nn.Module], device: torch.device) -> nn.Module:
    """A network on `device` whose values are not set.

    As ``Module.to_empty`` makes it, whose first tensor of the meta device costs a quarter of a second of imports.
    """

    def on_device(tensor: Tensor) -> Tensor:
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=device)

    with torch.device("meta"):
        model = build()
    for module in model.modules() if device.type != "meta" else ():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            setattr(module, name, nn.Parameter(on_device(parameter), parameter.requires_grad))
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
            setattr(module, name, on_device(buffer))
    return model


def logits(build: Callable[[], nn.Module], device: torch.device) -> Logits:
    """The network as a function: params, buffers, images, training -> logits (n, classes).

    Takes and gives tensors on the CPU, computes on `device` in the precision of the images, and is differentiable any
    number of times. Nothing it is given is changed, not even running statistics; dropout draws the same each time.
    """
    with torch.device("meta"):
        model = build()

    def forward(params: Params, buffers: Params, x: Tensor, training: bool) -> Tensor:
        # Apple's devices have no float64.
        where = torch.device("cpu") if device.type == "mps" and x.dtype == torch.float64 else device
        values = {name: p.to(where) for name, p in params.items()}
        values |= {
            name: b.to(where, x.dtype if b.is_floating_point() else b.dtype, copy=True) for name, b in buffers.items()
        }
        model.train(training)
        with torch.random.fork_rng([where.index or 0] if where.type == "cuda" else []):
            torch.manual_seed(0)
            output: Tensor = torch.func.functional_call(model, values, (x.to(where),))
        return output.cpu()

    return forward


def _initialise(name: str, module: nn.Module, generator: torch.Generator, weights: str) -> None:
    if isinstance(module, (*_CONV, nn.Linear)):
        nn.init.xavier_normal_(module.weight, generator=generator)
        if weights == "signed_constant":
            with torch.no_grad():
                module.weight.sign_().mul_((2 / module.weight[0].numel()) ** 0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, _NORM):
        module.reset_parameters()
    elif any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False)):
        raise ValueError(f"no initialisation is known for {name}, a {type(module).__name__}")
