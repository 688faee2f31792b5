"""Images in folders, a folder per class, as ImageNet is laid out; streamed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import Subset

from lth_cli.core.spelling import clean
from lth_cli.datasets.dataset import DataNotFound, Dataset, split_indices
from lth_cli.datasets.streaming import Streamed

# What torchvision takes for images by their names. Of others Pillow may start a program, such as Ghostscript for EPS.
_FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP")


def image_folder(
    root: str, size: int, mean: Sequence[float], deviation: Sequence[float], val_size: int, workers: int
) -> Dataset:
    """``root/train/CLASS/*`` and ``root/val/CLASS/*`` in the formats of such names, as JPEG and PNG. No augmentation.

    ImageNet calls its held-out images val; here they are the test split, and val is split off train.

    Args:
        size: images are resized to size * 256 / 224 on their shorter side, then cropped to size x size at the centre.
        mean, deviation: of each channel, to shift and scale by; pixels are in [0, 1].
        workers: processes that read images.
    """
    from torchvision import datasets, transforms

    folder = Path(root).expanduser()
    transform = transforms.Compose(
        [
            transforms.Resize(round(size * 256 / 224)),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(mean, deviation),
        ]
    )
    try:
        whole, held_out = (datasets.ImageFolder(folder / part, transform, loader=_image) for part in ("train", "val"))
    except FileNotFoundError as error:
        raise DataNotFound(clean(f"dataset.root={root}: {error}")) from None
    if whole.classes != held_out.classes:
        differ = sorted(set(whole.classes) ^ set(held_out.classes))
        raise ValueError(f"{folder}: train and val hold different classes: {clean(', '.join(differ[:5]))}")
    rest, val = split_indices(len(whole), {"val_size": val_size}, "image_folder")
    train, own = (Streamed(Subset(whole, index.tolist()), workers) for index in (rest, val))
    return Dataset(train, own, Streamed(held_out, workers), classes=len(whole.classes))


def _image(path: str) -> Any:
    from PIL import Image

    with Image.open(path, formats=_FORMATS) as image:
        return image.convert("RGB")
