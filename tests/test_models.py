from functools import partial
from pathlib import Path

import pytest
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from lth_cli import models
from lth_cli.core.seeds import generator
from lth_cli.models.network import initialiser, prunable
from lth_cli.setup.conf import conf_dir

OPTIONS = sorted(path.stem for path in (conf_dir() / "model").glob("*.yaml"))
PARAMETERS = {
    ("lenet_300_100", (1, 28, 28)): 266_610,
    ("lenet5", (1, 28, 28)): 61_706,
    ("conv2", (3, 32, 32)): 4_301_642,
    ("conv4", (3, 32, 32)): 2_425_930,
    ("conv6", (3, 32, 32)): 2_262_602,
    ("conv2_linear", (3, 32, 32)): 79_690,
    ("conv4_linear", (3, 32, 32)): 342_090,
    ("conv6_linear", (3, 32, 32)): 1_186_378,
}


def make(option: str, shape: tuple[int, int, int], classes: int = 10) -> nn.Module:
    config = OmegaConf.load(Path(conf_dir()) / "model" / f"{option}.yaml")
    model: nn.Module = instantiate(config, shape=shape, classes=classes, _convert_="all")
    return model


@pytest.mark.parametrize("option", OPTIONS)
def test_every_model_maps_images_to_logits(option: str) -> None:
    assert make(option, (3, 32, 32), classes=7)(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(("option", "shape", "expected"), [(*key, n) for key, n in PARAMETERS.items()])
def test_parameters_are_as_published(option: str, shape: tuple[int, int, int], expected: int) -> None:
    assert sum(p.numel() for p in make(option, shape).parameters()) == expected


@pytest.mark.parametrize(("option", "conv", "all_weights"), [("conv2", 38_000, 4.3e6), ("conv4", 260_000, 2.4e6)])
def test_convolutional_weights_are_as_in_figure_2(option: str, conv: int, all_weights: float) -> None:
    layers = prunable(make(option, (3, 32, 32)))
    assert sum(layer.size for layer in layers.values() if layer.kind == "conv") == pytest.approx(conv, rel=0.02)
    assert sum(layer.size for layer in layers.values()) == pytest.approx(all_weights, rel=0.02)


def test_the_last_linear_layer_is_the_output_and_biases_are_never_prunable() -> None:
    kinds = {name: layer.kind for name, layer in prunable(make("conv2", (1, 8, 8))).items()}
    assert kinds == {
        "conv1.weight": "conv",
        "conv2.weight": "conv",
        "fc1.weight": "fc",
        "fc2.weight": "fc",
        "output.weight": "output",
    }


@pytest.mark.parametrize(("option", "side"), [("lenet5", 11), ("conv6", 7), ("conv2", 1)])
def test_an_image_that_is_too_small_is_refused_with_the_size_it_takes(option: str, side: int) -> None:
    with pytest.raises(InstantiationException, match=rf"{side}x{side} are too small, at least"):
        make(option, (1, side, side))


def test_glorot_normal_with_zero_biases() -> None:
    state = initialiser(partial(models.mlp, (1, 28, 28), 10, [300, 100]))(generator(0, "init"))
    weight = state.params["fc1.weight"]
    assert weight.std().item() == pytest.approx((2 / (784 + 300)) ** 0.5, rel=0.01)
    assert weight.mean().item() == pytest.approx(0, abs=1e-3)
    # Kurtosis tells a Gaussian (3) from a uniform (1.8).
    assert ((weight / weight.std()) ** 4).mean().item() == pytest.approx(3, rel=0.05)
    assert not any(p.any() for name, p in state.params.items() if name.endswith("bias"))


def test_initialisation_is_drawn_from_its_stream_alone() -> None:
    init = initialiser(partial(models.mlp, (1, 4, 4), 10, [5]))
    before = torch.get_rng_state()
    a, b, other = init(generator(0, "init")), init(generator(0, "init")), init(generator(1, "init"))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a.params[name], b.params[name]) for name in a.params)
    assert not torch.equal(a.params["fc1.weight"], other.params["fc1.weight"])


def test_norms_keep_their_buffers() -> None:
    state = initialiser(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)))(generator(0, "init"))
    assert state.params["1.weight"].tolist() == [1, 1]
    assert state.buffers["1.running_var"].tolist() == [1, 1]
