"""Networks of one's own, as users bring them: `hidden[0]` is their width."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lth_cli.core import masks
from lth_cli.core.ticket import Ticket
from lth_cli.datasets.dataset import Examples
from lth_cli.models.lenet import Shape
from lth_cli.rundir import names
from lth_cli.rundir.restore import read_state
from tests.command import history


class Tied(nn.Module):
    """Two layers that share one weight and have biases of their own; with norms, also a norm under two names."""

    def __init__(self, inputs: int, classes: int, width: int, norms: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, width)
        self.encoder, self.decoder = nn.Linear(width, width), nn.Linear(width, width)
        self.decoder.weight = self.encoder.weight
        self.first_norm: nn.Module = nn.BatchNorm1d(width) if norms else nn.Identity()
        self.second_norm = self.first_norm
        self.output = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x.flatten(1)).relu()
        x = self.first_norm(self.encoder(x)).relu()
        return self.output(self.second_norm(self.decoder(x)).relu())  # type: ignore[no-any-return]


class Twice(nn.Module):
    """A layer, and a block with a norm in it, each registered under two names."""

    def __init__(self, inputs: int, classes: int, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, width)
        self.block = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU())
        self.again = self.block
        self.blocks = nn.ModuleList([self.block, nn.Linear(width, width), self.fc])
        self.output = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.again(self.block(self.fc(x.flatten(1)).relu()))
        return self.output(self.blocks[1](self.blocks[0](x)))  # type: ignore[no-any-return]


class Words(nn.Module):
    """Pixels as words: an embedding that shares its weight with a layer, positions, attention, and buffers."""

    levels = 6

    def __init__(self, pixels: int, classes: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(self.levels, width)
        self.position = nn.Parameter(0.02 * torch.randn(pixels, width))
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.unembed = nn.Linear(width, self.levels, bias=False)
        self.unembed.weight = self.embedding.weight
        self.output = nn.Linear(self.levels, classes)
        self.scale = nn.Parameter(torch.ones(()))
        self.register_buffer("bounds", torch.linspace(-1, 1, self.levels - 1))
        self.register_buffer("shift", torch.ones(1).expand(width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embedding(torch.bucketize(x.flatten(1), self.bounds)) + self.position + self.shift
        x, _ = self.attention(x, x, x, need_weights=False)
        return self.output(self.unembed(x.mean(1)) * self.scale)  # type: ignore[no-any-return]


class Any(nn.Module):
    """Drawn by `seed`: convolutions, grouped or not, norms, dropout, ties, and modules that are used twice."""

    width = 8

    def __init__(self, channels: int, classes: int, seed: int) -> None:
        super().__init__()
        draw, width = random.Random(seed), self.width
        self.first = nn.Conv2d(channels, width, 3, stride=2, bias=draw.random() < 0.5)
        self.grouped = nn.Conv2d(width, width, 3, groups=draw.choice((1, 2, width)))
        self.blocks = nn.ModuleList([nn.Linear(width, width)])
        for _ in range(draw.randint(2, 6)):
            self.blocks.append(self._block(draw.choice(("linear", "tied", "again", "nested", "norm", "dropout")), draw))
        self.borrows = draw.random() < 0.5  # a weight, with no module for it
        self.gain = nn.Parameter(torch.ones(width))
        self.register_buffer("offset", torch.zeros(width), persistent=draw.random() < 0.5)
        self.output = nn.Linear(width, classes)

    def _block(self, kind: str, draw: random.Random) -> nn.Module:
        linear = draw.choice([block for block in self.blocks if isinstance(block, nn.Linear)])
        if kind == "again":
            return linear
        if kind == "norm":
            return draw.choice((nn.BatchNorm1d, nn.LayerNorm, lambda n: nn.GroupNorm(2, n)))(self.width)
        if kind == "dropout":
            return nn.Dropout(0.1)
        new = nn.Linear(self.width, self.width)
        if kind == "tied":
            new.weight = linear.weight
        return nn.Sequential(new, nn.ReLU(), linear) if kind == "nested" else new

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(self.first(x).relu()).flatten(2).mean(2)
        for block in self.blocks:
            x = block(x).relu() + x
        if self.borrows:
            x = F.linear(x, self.blocks[0].weight.t())  # type: ignore[union-attr, operator]
        return self.output(x * self.gain + self.offset)  # type: ignore[no-any-return]


def tied(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    return Tied(shape[0] * shape[1] * shape[2], classes, hidden[0], norms=False)


def tied_normed(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    return Tied(shape[0] * shape[1] * shape[2], classes, hidden[0], norms=True)


def twice(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    return Twice(shape[0] * shape[1] * shape[2], classes, hidden[0])


def words(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    return Words(shape[0] * shape[1] * shape[2], classes, hidden[0])


def any_network(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    """`hidden[0]` is its seed."""
    return Any(shape[0], classes, hidden[0])


def assert_trained(path: Path, real: nn.Module, test: Examples) -> None:
    """What the run in `path` trained is this network: what it saved loads strictly, and scores what history says."""
    record = json.loads((path / "run.json").read_text())
    assert record["parameters"] == sum(p.numel() for p in real.parameters())
    assert record["prunable_weights"] <= record["parameters"]
    ((images, labels),) = test.batches(len(test))
    for row in history(path):
        mask, state = read_state(path, names.state((int(row["round"]), row["arm"], int(row["seed"]))))
        naming = {key: record[key] for key in ("tied", "transient") if key in record}
        real.load_state_dict(Ticket(mask, state.params, state.buffers, naming).state_dict())
        real.eval()
        with torch.inference_mode():
            right = (real(images).argmax(1) == labels).sum().item()
        assert abs(right / len(labels) - float(row["test_accuracy"])) < 1e-12
        assert int(row["total"]) == masks.total(mask) == record["prunable_weights"]
    for seed in record["seeds"]:
        ticket = Ticket.load(path / names.ticket(seed))
        real.load_state_dict(ticket.state_dict())
        pruned = {name: p for name, p in real.named_parameters() if name in ticket.mask}
        assert all(bool((p[~ticket.mask[name]] == 0).all()) for name, p in pruned.items())


def dropping(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    width = hidden[0]
    return nn.Sequential(
        nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], width), nn.BatchNorm1d(width), nn.Dropout(0.2),
        nn.Linear(width, classes),
    )  # fmt: skip
