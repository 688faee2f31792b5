"""What a user would write without lth: torchvision's data set, a DataLoader, torch.nn.utils.prune, Adam."""

import struct
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader
from torchvision import datasets, transforms


def write_mnist(root: Path, train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor]) -> None:
    """uint8 images (n, height, width) and labels as the four files that torchvision's MNIST reads."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, (images, labels) in (("train", train), ("t10k", test)):
        for name, t in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            header = struct.pack(f">BBBB{t.dim()}I", 0, 0, 8, t.dim(), *t.shape)
            (folder / name).write_bytes(header + t.to(torch.uint8).numpy().tobytes())


class PlainScript:
    """Trains one pruned network, evaluating once per epoch; `__call__` returns iterations per second.

    Args:
        root: where `write_mnist` wrote.
        build: makes the network.
        batch_size: of training.
        iterations: to train, a whole number of epochs.
        device: where to train.
    """

    def __init__(
        self, root: Path, build: Callable[[], nn.Module], batch_size: int, iterations: int, device: torch.device
    ) -> None:
        self.device = device
        to_tensor = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.13,), (0.31,))])
        train, test = (datasets.MNIST(root, train=part, transform=to_tensor) for part in (True, False))
        self.train = DataLoader(train, batch_size, shuffle=True, drop_last=True)
        self.test = DataLoader(test, 1000)
        self.build, self.iterations = build, iterations

    def __call__(self) -> float:
        model = self.build().to(self.device)
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                prune.l1_unstructured(module, "weight", amount=0.5)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
        done, began = 0, time.perf_counter()
        while done < self.iterations:
            model.train()
            for x, y in self.train:
                optimizer.zero_grad()
                F.cross_entropy(model(x.to(self.device)), y.to(self.device)).backward()
                optimizer.step()
                done += 1
                if done == self.iterations:
                    break
            model.eval()
            with torch.no_grad():
                sum(int((model(x.to(self.device)).argmax(1).cpu() == y).sum()) for x, y in self.test)
        return done / (time.perf_counter() - began)
