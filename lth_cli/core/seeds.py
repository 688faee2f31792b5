"""Every random draw has its own stream, named by what it is for; none depends on torch's global generator."""

import hashlib

import torch


def generator(seed: int, purpose: str, *index: int, device: torch.device | None = None) -> torch.Generator:
    """The stream of (seed, purpose, index…), for example ``generator(0, "order", round, epoch)``.

    Streams are independent of one another and of the order in which they are asked for, so a resumed or
    parallel run draws the same numbers. On the CPU, unless another device is named, draws do not depend on the device.

    Args:
        seed: any integer; 0 is a seed like any other.
        purpose: one word: init, reinit, order, mask, split, noise, …
        index: what else names the stream: round, epoch.
    """
    name = "/".join(map(str, (seed, purpose, *index)))
    digest = hashlib.sha256(name.encode()).digest()
    return torch.Generator(device or "cpu").manual_seed(int.from_bytes(digest[:8], "little", signed=True))
