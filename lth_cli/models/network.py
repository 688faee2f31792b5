"""What every network has in common: its prunable layers and its initialisation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lth_cli.core.calls import Calls
from lth_cli.core.layers import Layer
from lth_cli.core.state import Logits, Params, State
from lth_cli.models.ties import Functional, names, own

_CONV = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORM = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def prunable(model: nn.Module) -> dict[str, Layer]:
    """Weights of linear and convolutional layers by parameter name, in the order of the network.

    Biases and norm parameters are never pruned. The last linear layer is the output.
    A weight that several layers share is one, by its first name.

    Raises:
        ValueError: a weight is no Parameter.
    """
    named, kinds = names(model), dict[str, tuple[str, tuple[int, ...]]]()
    last = None
    for at, module in model.named_modules():
        if isinstance(module, (*_CONV, nn.Linear)):
            name = named.get(id(module.weight))
            if name is None:
                raise ValueError(f"{at}.weight is computed, no Parameter: it cannot be pruned")
            kind = "conv" if isinstance(module, _CONV) else "fc"
            kinds.setdefault(name, (kind, tuple(module.weight.shape)))
            last = name if kind == "fc" else last
    layers = {name: Layer(shape, "output" if name == last else kind) for name, (kind, shape) in kinds.items()}
    return {name: layers[name] for name, _ in model.named_parameters() if name in layers}


def initialiser(build: Callable[[], nn.Module], weights: str = "glorot_normal") -> Callable[[torch.Generator], State]:
    """generator -> a fresh network: Gaussian Glorot weights, zero biases, norms as PyTorch sets them.

    The source is Glorot & Bengio (2010), normal variant, as Frankle & Carbin (2019, figure 2) use it. `build` is
    called on the meta device, so nothing is drawn from the global generator. What is neither a linear or convolutional
    layer nor a norm, such as an embedding, attention, a parameter or a buffer of one's own, is as `_constructed` says.

    Args:
        weights: glorot_normal, or signed_constant: plus or minus √(2 / inputs), the deviation of Kaiming's normal, at
            random (Ramanujan et al. 2020, §4.1, signed Kaiming constant).
    """

    def init(generator: torch.Generator) -> State:
        model = empty(build, torch.device("cpu"))
        if not all(_is_known(module) for module in model.modules()):
            model = _constructed(build, generator)
        drawn = set[int]()
        for module in model.modules():
            _initialise(module, generator, weights, drawn)
        params = {name: p.detach().contiguous() for name, p in model.named_parameters()}
        return State(params, {name: b.detach().clone().contiguous() for name, b in model.named_buffers()})

    return init


def empty(build: Callable[[], nn.Module], device: torch.device) -> nn.Module:
    """A network on `device` whose values are not set.

    As ``Module.to_empty`` makes it, whose first tensor of the meta device costs a quarter of a second of imports.
    """

    def on_device(tensor: Tensor) -> Tensor:
        dense = tensor if 0 not in tensor.stride() else torch.empty(tensor.shape, device="meta")
        return torch.empty_strided(tensor.shape, dense.stride(), dtype=tensor.dtype, device=device)

    with torch.device("meta"):
        model = build()
    if device.type == "meta":
        return model
    made: dict[int, tuple[Tensor, Tensor]] = {}  # with what they are made from, whose identity must not be taken anew
    for module in model.modules():
        for name, tensor in own(module).items():
            if id(tensor) not in made:
                new = on_device(tensor)
                is_parameter = isinstance(tensor, nn.Parameter)
                made[id(tensor)] = tensor, nn.Parameter(new, tensor.requires_grad) if is_parameter else new
            setattr(module, name, made[id(tensor)][1])
    return model


def logits(build: Callable[[], nn.Module], device: torch.device) -> Logits:
    """The network as a function: params, buffers, images, training -> logits (n, classes).

    Takes and gives tensors on the CPU, computes on `device` in the precision of the images, and is differentiable any
    number of times. Nothing it is given is changed, not even running statistics; dropout draws the same each time.
    """
    function = Functional(empty(build, torch.device("meta")))

    def forward(params: Params, buffers: Params, x: Tensor, training: bool) -> Tensor:
        # Apple's devices have no float64.
        where = torch.device("cpu") if device.type == "mps" and x.dtype == torch.float64 else device
        values = {name: p.to(where) for name, p in params.items()}
        values |= {
            name: b.to(where, x.dtype if b.is_floating_point() else b.dtype, copy=True) for name, b in buffers.items()
        }
        function.module.train(training)
        with torch.random.fork_rng([where.index or 0] if where.type == "cuda" else []):
            torch.manual_seed(0)
            return function(values, x.to(where)).cpu()

    return forward


def _initialise(module: nn.Module, generator: torch.Generator, weights: str, drawn: set[int]) -> None:
    """Layers and norms; a weight that was drawn before, in another layer, stays as it is."""
    if isinstance(module, (*_CONV, nn.Linear)):
        if id(module.weight) not in drawn:
            nn.init.xavier_normal_(module.weight, generator=generator)
            if weights == "signed_constant":
                with torch.no_grad():
                    module.weight.sign_().mul_((2 / module.weight[0].numel()) ** 0.5)
            drawn.add(id(module.weight))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, _NORM):
        module.reset_parameters()


def _is_known(module: nn.Module) -> bool:
    """Whether `_initialise` sets all that a module holds itself."""
    known = {"weight", "bias"} if isinstance(module, (*_CONV, nn.Linear, *_NORM)) else set()
    if isinstance(module, _NORM):
        known |= {"running_mean", "running_var", "num_batches_tracked"}
    return own(module).keys() <= known


def _constructed(build: Callable[[], nn.Module], generator: torch.Generator) -> nn.Module:
    """A network as its constructors leave it, all that they draw coming from `generator`.

    What a constructor leaves empty is set by the module's reset_parameters, or else zero.
    """
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng([]), _Unset():
        torch.default_generator.manual_seed(seed)
        model = build()
        for at, module in model.named_modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset) and any(_is_unset(tensor) for tensor in own(module).values()):
                try:
                    reset()
                except Exception as error:  # it may be the user's own
                    raise ValueError(f"{at}.reset_parameters: {type(error).__name__}: {error}") from error
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            if _is_unset(tensor):
                tensor.zero_()
    return model


def _is_unset(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.numel() > 0 and bool(tensor.isnan().all())


class _Unset(Calls):
    """While active, empty tensors are not a number, or zero where they are whole: never what the memory held before."""

    def call(self, function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        made = function(*arguments, **named)
        if function in (torch.empty, torch.empty_like, torch.empty_strided, Tensor.new_empty):
            with torch.no_grad():
                made.fill_(torch.nan if made.is_floating_point() or made.is_complex() else 0)
        return made
