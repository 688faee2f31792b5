"""What can be known of a network before any training: one forward and backward pass, on noise in the form of images."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_cli.core.seeds import generator
from lth_cli.core.state import State
from lth_cli.datasets.dataset import Dataset
from lth_cli.models.flops import Flops
from lth_cli.models.network import empty
from lth_cli.models.ties import own
from lth_cli.training.networks import Build, fill

_IMAGES = 2  # norms need more than one


def fresh_state(init: Callable[[torch.Generator], State]) -> State:
    """A network as training begins with it.

    Raises:
        ValueError: its constructors draw from elsewhere than torch's global generator.
    """
    state, again = (init(generator(0, "rehearsal")) for _ in range(2))
    others = {**again.params, **again.buffers}
    for name, value in {**state.params, **state.buffers}.items():
        if not torch.equal(value.nan_to_num(), others[name].nan_to_num()):
            raise ValueError(f"draws {name} from elsewhere than torch's global generator: no seed would give it again")
    return state


def try_out(make: Build, state: State, data: Dataset, device: torch.device) -> int:
    """Train a network for one step that is thrown away, and evaluate it.

    Args:
        state: of a fresh network.

    Returns:
        What its forward pass takes per example; see `Flops`.

    Raises:
        ValueError: it does not take the images, does not give a logit per class, or cannot be trained.
    """
    stream = generator(0, "trial")
    images = torch.randn((_IMAGES, *data.shape), generator=stream).to(device)
    labels = torch.randint(data.classes, (_IMAGES,), generator=stream).to(device)
    with torch.random.fork_rng([device.index or 0] if device.type == "cuda" else []):
        torch.manual_seed(0)
        network = empty(make, device)
        fill(network, state)
        network.to(memory_format=torch.channels_last)
        buffers = _buffers(network)
        network.train()
        loss = F.cross_entropy(_logits(network, images, data).float(), labels)
        try:
            torch.autograd.grad(loss, list(network.parameters()), materialize_grads=True)
        except Exception as error:
            raise ValueError(f"fails in its backward pass: {_kind(error)}{error}") from error
        replaced = [name for name, buffer in _buffers(network).items() if buffer is not buffers.get(name)]
        if replaced:
            raise ValueError(f"puts another tensor in place of the buffer {replaced[0]}: use copy_")
        network.eval()
        flops = Flops()
        with torch.inference_mode(), flops:
            _logits(network, images, data)
        return flops.count // _IMAGES


def _logits(network: nn.Module, images: Tensor, data: Dataset) -> Tensor:
    try:
        given = network(images)
    except Exception as error:  # a network may be the user's own
        raise ValueError(f"cannot take images of {tuple(data.shape)}: {_kind(error)}{error}") from error
    if not isinstance(given, Tensor) or not given.is_floating_point():
        what = given.dtype if isinstance(given, Tensor) else type(given).__name__
        raise ValueError(f"gives {what}, not a tensor of logits")
    if given.shape != (len(images), data.classes):
        n, *others = [*given.shape] or [""]
        shape = ", ".join(map(str, ["n" if n == len(images) else n, *others]))
        raise ValueError(f"gives ({shape}), the data set has {data.classes} classes: (n, {data.classes}) is needed")
    return given


def _buffers(network: nn.Module) -> dict[str, Tensor]:
    """Every place that holds one."""
    return {
        f"{at}.{name}".removeprefix("."): tensor
        for at, module in network.named_modules()
        for name, tensor in own(module).items()
        if not isinstance(tensor, nn.Parameter)
    }


def _kind(error: Exception) -> str:
    return "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
