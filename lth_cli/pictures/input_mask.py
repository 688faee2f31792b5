"""The mask of the first layer, as an image: how many weights of each input pixel are kept, or of each kernel."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from lth_cli.pictures.canvas import SHADES, MaxNLocator, heading, left_out, panels, text
from lth_cli.pictures.kinds import NotDrawn, Picture
from lth_cli.pictures.studies import Study
from lth_cli.pictures.tickets import ticket_of, with_ticket

_MOST_IMAGES = 40  # with their scales, that many are laid out in some seconds, thrice as many in minutes
_MOST_FILTERS = 1024
_MOST_PIXELS = 2**23  # of all images together, each of which takes some 20 bytes

Image = NDArray[np.float64]


def figure(studies: Sequence[Study]) -> Picture:
    """A panel per experiment and seed, of its last ticket.

    Raises:
        NotDrawn: no first layer is linear on square images of one or three channels, or a convolution.
    """
    found, why = list[tuple[str, Image, str]](), list[str]()
    most: dict[str, float] = {}  # one scale for all images of one kind
    tickets = [(study, seed) for study in studies for seed in with_ticket(study)]
    for study, seed in tickets[:_MOST_IMAGES]:
        if sum(image.size for _, image, _ in found) > _MOST_PIXELS:
            break
        image, what = _first_layer(study, seed)
        if image is None:
            why.append(f"{study.name}: {what}")
            continue
        found.append((f"{study.name}, seed {seed}", image, what))
        most[what] = max(most.get(what, 1.0), float(np.nanmax(image)))
    if not found:
        raise NotDrawn("; ".join(dict.fromkeys(why)) or "no ticket")
    picture, axes = panels(len(found), size=(3.6, 3.6), least=5.0)
    for panel, (title, image, what) in zip(axes, found, strict=True):
        drawn = panel.imshow(image, cmap=SHADES, vmin=0, vmax=most[what], interpolation="nearest")
        panel.set_facecolor("#CDE4F2")  # between kernels
        panel.set_title(text(title, 40), fontsize=9)
        panel.set_xlabel(text(what, 44), fontsize=8)
        panel.set_xticks([])
        panel.set_yticks([])
        picture.colorbar(drawn, ax=panel, shrink=0.8, ticks=MaxNLocator(6, integer=True)).ax.tick_params(labelsize=8)
    notes = [*left_out(len(found) + len(why), len(tickets), "tickets"), *dict.fromkeys(why)]
    heading(picture, "weights kept in the last ticket's first layer: white is none", *notes)
    return Picture(picture, notes)


def _first_layer(study: Study, seed: int) -> tuple[Image | None, str]:
    """The image of a ticket's first layer, as `_image` has it."""
    masks = ticket_of(study, seed).mask
    layer = next(iter(study.runs[seed].record.get("layers") or masks))
    if layer not in masks:
        return None, f"no mask of {layer}"
    image, what = _image(masks[layer])
    return image, f"{layer}: {what}"


def _image(mask: torch.Tensor) -> tuple[Image | None, str]:
    """Counts as an image, and what each is a count of; None, and why, where there is no image."""
    if mask.numel() == 0:
        return None, "without a weight"
    if mask.ndim == 4:
        return _kernels(mask)
    if mask.ndim != 2:
        return None, f"of {mask.ndim} dimensions, neither linear nor a convolution of images"
    units, inputs = mask.shape
    for channels in (1, 3):
        side = math.isqrt(inputs // channels)
        if channels * side * side == inputs and 1 < side * side <= _MOST_PIXELS:
            counts = mask.sum(0).reshape(channels, side, side).sum(0)
            return counts.numpy().astype(float), f"a pixel is {channels * units:,} weights, over units and channels"
    return None, f"{inputs:,} inputs are no square image of one or three channels"


def _kernels(mask: torch.Tensor) -> tuple[Image | None, str]:
    """A mosaic of the filters' kernels, which are summed over the channels they see."""
    filters, channels, height, width = mask[:_MOST_FILTERS].shape
    columns = math.ceil(math.sqrt(filters))
    lines = -(-filters // columns)
    if lines * (height + 1) * columns * (width + 1) > _MOST_PIXELS:
        return None, f"kernels of {height:,}×{width:,} are no image of {_MOST_PIXELS:,} pixels"
    mosaic = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, kernel in enumerate(mask[:_MOST_FILTERS].sum(1).numpy()):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        mosaic[top : top + height, left : left + width] = kernel
    more = f" of {len(mask):,}" if len(mask) > filters else ""
    return (
        mosaic,
        f"{filters:,} kernels{more} of {height}×{width}, summed over {channels} channel{'s' * (channels > 1)}",
    )
