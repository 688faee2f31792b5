"""What is in a data set, by content: one digest of all of it, and images that are in more than one split."""

import hashlib
from itertools import combinations

import torch

from lth_cli.datasets.dataset import Dataset, Split

_STEPS = 16 * 255  # whole for pixels of a byte, and for those of sixteen levels
_PIECE = 1000


def fingerprint(data: Dataset) -> tuple[str, dict[str, int]]:
    """The SHA-256 of images and labels, and how many images of a split are in another, by ``"val_train"`` and so on.

    Real data sets hold a few such duplicates; they are reported, not removed. Pairs without any are left out. Pixels
    are taken in whole steps of the range of their channel: the last bits of a normalisation depend on the machine.
    Of a data set that is streamed, only its sizes are known.
    """
    train, val, test = data.train, data.val, data.test
    if not (isinstance(train, Split) and isinstance(val, Split) and isinstance(test, Split)):
        return hashlib.sha256(f"{len(train)} {len(val)} {len(test)} {data.shape}".encode()).hexdigest(), {}
    low, high = (getattr(train.images, bound)(dim=(0, 2, 3), keepdim=True) for bound in ("amin", "amax"))
    step = (high - low).clamp_min(1e-6) / _STEPS

    splits = {"train": train, "val": val, "test": test}
    digests = {name: _digests(split, low, step) for name, split in splits.items()}
    whole = hashlib.sha256()
    for name, split in splits.items():
        whole.update(b"".join(digests[name]) + split.labels.cpu().numpy().tobytes())
    shared = {}
    for first, second in combinations(splits, 2):
        there = set(digests[first])
        count = sum(digest in there for digest in digests[second])
        if count:
            shared[f"{second}_{first}"] = count
    return whole.hexdigest(), shared


def _digests(split: Split, low: torch.Tensor, step: torch.Tensor) -> list[bytes]:
    steps = (((images - low) / step).round() for images in torch.split(split.images, _PIECE))
    pieces = (piece.to(torch.int16).contiguous() for piece in steps)
    return [hashlib.blake2b(image, digest_size=16).digest() for piece in pieces for image in piece.cpu().numpy()]
