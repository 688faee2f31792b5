"""Networks of one's own, as users bring them: `hidden[0]` is their width."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lth_cli.models.lenet import Shape


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


def tied(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    return Tied(shape[0] * shape[1] * shape[2], classes, hidden[0], norms=False)


def tied_normed(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    return Tied(shape[0] * shape[1] * shape[2], classes, hidden[0], norms=True)


def twice(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    return Twice(shape[0] * shape[1] * shape[2], classes, hidden[0])


def words(shape: Shape, classes: int, hidden: Sequence[int]) -> nn.Module:
    return Words(shape[0] * shape[1] * shape[2], classes, hidden[0])
