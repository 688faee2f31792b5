"""The mask of the first layer, as an image: how many weights of each input pixel are kept, or of each kernel."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from lth_cli.pictures.canvas import MOST_PANELS, SHADES, MaxNLocator, heading, left_out, panels, text
from lth_cli.pictures.kinds import NotDrawn, Picture
from lth_cli.pictures.studies import Study
from lth_cli.pictures.tickets import tickets

_MOST_FILTERS = 1024

Image = NDArray[np.float64]


def figure(studies: Sequence[Study]) -> Picture:
    """A panel per experiment and seed, of its last ticket.

    Raises:
        NotDrawn: no first layer is linear on square images of one or three channels, or a convolution.
    """
    found, why = list[tuple[str, Image, str]](), list[str]()
    for study in studies:
        for seed, run, ticket in tickets(study):
            layer = next(iter(run.record.get("layers") or ticket.mask))
            if layer not in ticket.mask:
                why.append(f"{study.name}: no mask of {layer}")
                continue
            image, what = _image(ticket.mask[layer])
            if image is None:
                why.append(f"{study.name}: {layer}: {what}")
                continue
            found.append((f"{study.name}, seed {seed}", image, f"{layer}: {what}"))
    if not found:
        raise NotDrawn("; ".join(dict.fromkeys(why)) or "no ticket")
    shown = found[:MOST_PANELS]
    picture, axes = panels(len(shown), size=(3.6, 3.6), least=5.0)
    for panel, (title, image, what) in zip(axes, shown, strict=True):
        most = max([1.0, *(float(np.nanmax(other)) for _, other, of in shown if of == what)])  # one scale for all
        drawn = panel.imshow(image, cmap=SHADES, vmin=0, vmax=most, interpolation="nearest")
        panel.set_facecolor("#CDE4F2")  # between kernels
        panel.set_title(text(title, 40), fontsize=9)
        panel.set_xlabel(text(what, 44), fontsize=8)
        panel.set_xticks([])
        panel.set_yticks([])
        picture.colorbar(drawn, ax=panel, shrink=0.8, ticks=MaxNLocator(6, integer=True)).ax.tick_params(labelsize=8)
    notes = [*left_out(len(shown), len(found), "tickets"), *dict.fromkeys(why)]
    heading(picture, "weights kept in the last ticket's first layer: white is none", *notes)
    return Picture(picture, notes)


def _image(mask: torch.Tensor) -> tuple[Image | None, str]:
    """Counts as an image, and what each is a count of; None, and why, where there is no image."""
    if mask.ndim == 4:
        return _kernels(mask)
    if mask.ndim != 2:
        return None, f"of {mask.ndim} dimensions, neither linear nor a convolution of images"
    units, inputs = mask.shape
    for channels in (1, 3):
        side = math.isqrt(inputs // channels)
        if channels * side * side == inputs and side > 1:
            counts = mask.sum(0).reshape(channels, side, side).sum(0)
            return counts.numpy().astype(float), f"a pixel is {channels * units:,} weights, over units and channels"
    return None, f"{inputs:,} inputs are no square image of one or three channels"


def _kernels(mask: torch.Tensor) -> tuple[Image, str]:
    """A mosaic of the filters' kernels, which are summed over the channels they see."""
    filters, channels, height, width = mask[:_MOST_FILTERS].shape
    columns = math.ceil(math.sqrt(filters))
    lines = -(-filters // columns)
    mosaic = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, kernel in enumerate(mask[:_MOST_FILTERS].sum(1).numpy()):
        top, left = (i // columns) * (height + 1), (i % columns) * (width + 1)
        mosaic[top : top + height, left : left + width] = kernel
    more = f" of {len(mask):,}" if len(mask) > filters else ""
    return (
        mosaic,
        f"{filters:,} kernels{more} of {height}×{width}, summed over {channels} channel{'s' * (channels > 1)}",
    )
