"""Masks and values of jobs, laid out as the weights that train."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lth_cli.core import masks
from lth_cli.core.state import Params
from lth_cli.training.jobs import Job


def masked(job: Job) -> Params:
    """Start parameters with pruned weights at what they are pruned to."""
    return masks.apply(job.mask, job.start.state.params, job.pruned_to)


def pruned_to(jobs: Sequence[Job], params: Params) -> dict[str, Tensor]:
    """What each pruned weight is, and zero elsewhere, in the layout of the weights; empty when all are zero."""
    if all(job.pruned_to is None for job in jobs):
        return {}

    def row(job: Job, name: str) -> Tensor:
        start = job.start.state.params[name]
        value = torch.zeros_like(start) if job.pruned_to is None else job.pruned_to[name]
        return value.masked_fill(job.mask[name], 0)

    found = {name: [row(job, name) for job in jobs] for name in jobs[0].mask}
    return {
        name: torch.empty_like(params[name]).copy_(torch.stack(rows) if len(jobs) > 1 else rows[0])
        for name, rows in found.items()
    }


def mask_factors(jobs: Sequence[Job], params: Params) -> dict[str, Tensor]:
    """Masks as floats in the layout of the weights, so that multiplying them is one pass; empty when all are dense."""
    if all(bool(m.all()) for job in jobs for m in job.mask.values()):
        return {}
    stacked = len(jobs) > 1
    found = {n: torch.stack([job.mask[n] for job in jobs]) if stacked else jobs[0].mask[n] for n in jobs[0].mask}
    return {name: torch.empty_like(params[name]).copy_(m) for name, m in found.items()}


def plain(tensors: Mapping[str, Tensor]) -> Params:
    """Copies on the CPU, in plain layout."""
    return {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()}
