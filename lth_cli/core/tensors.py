"""The one codec between a network, its mask and its state, and named tensors, as files and pipes carry them."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from io import BufferedReader

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from lth_cli.core.spelling import brief, clean
from lth_cli.core.state import Mask, Params, State

_MOST_OF_NONE = 2**20  # product of the other sizes of a tensor without values: there are operations that take as much

_MOST_OF_HEADER = 100_000_000  # bytes, as safetensors has it


def pack(mask: Mapping[str, Tensor], state: State) -> Params:
    """Mask, parameters, buffers and the optimizer's moments as mask/…, params/…, buffers/… and moments/…."""
    parts = {"mask": mask, "params": state.params, "buffers": state.buffers, "moments": state.moments}
    return {name: tensor for prefix, part in parts.items() for name, tensor in under(prefix, part).items()}


def unpack(tensors: Mapping[str, Tensor]) -> tuple[Mask, State]:
    """What `pack` packed."""
    return part(tensors, "mask"), State(*(part(tensors, prefix) for prefix in ("params", "buffers", "moments")))


def under(prefix: str, tensors: Mapping[str, Tensor]) -> Params:
    """The same tensors, their names below `prefix`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def part(tensors: Mapping[str, Tensor], prefix: str) -> Params:
    """The tensors whose names are below `prefix`, by the rest of their names."""
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def load(file: BufferedReader) -> tuple[dict[str, str], Params]:
    """What `parse` gives of an open file; its header is looked at before the rest takes any memory.

    Raises:
        ValueError: it is none, or has not the length that its header says.
        MemoryError: there is too little for what is in it.
    """
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or length > min(size - 8, _MOST_OF_HEADER):
        raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
    said = 8 + length + _length_of_body(file.read(length))
    if said != size:
        raise ValueError(f"{size:,} bytes, and {said:,} as its header says")
    file.seek(0)
    return parse(file.read(size))


def _length_of_body(header: bytes) -> int:
    try:
        found = json.loads(header)
        ends = [tensor["data_offsets"][1] for name, tensor in found.items() if name != "__metadata__"]
        if all(type(end) is int for end in ends):
            return max(ends, default=0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        pass
    raise ValueError("not the header of a safetensors file")


def parse(data: bytes) -> tuple[dict[str, str], Params]:
    """Metadata of a safetensors file, and its tensors in order of their names; no code in it can run.

    Raises:
        ValueError: it is none.
        MemoryError: there is too little for what is in it.
    """
    bytearray(len(data))  # where that is too much, safetensors would panic, and say so itself
    try:
        tensors = dict(sorted(safetensors.torch.load(data).items()))  # which come in any order
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])  # which safetensors has checked
    # A shape may be too large for torch, and a type one that it lacks.
    except (safetensors.SafetensorError, KeyError, RecursionError, RuntimeError, TypeError) as error:
        raise ValueError(str(error).partition("\n")[0]) from None
    except BaseException as error:  # PyO3's is not an Exception, and has no name to import
        if type(error).__name__ == "PanicException":
            raise MemoryError(f"{len(data):,} bytes of tensors") from None
        raise
    for name, t in tensors.items():
        if t.numel() == 0 and math.prod(size for size in t.shape if size) > _MOST_OF_NONE:
            raise ValueError(f"{brief(clean(name), lines=1, width=40)} is of shape {tuple(t.shape)}, without a value")
    return header.get("__metadata__") or {}, tensors


def misfit(mask: Mapping[str, Tensor], params: Mapping[str, Tensor]) -> str | None:
    """The first name of a mask that is no bool tensor of its parameter's shape, or None."""
    return next((n for n, m in mask.items() if n not in params or not _masks(m, params[n])), None)


def _masks(m: Tensor, p: Tensor) -> bool:
    return m.dtype == torch.bool and m.shape == p.shape


def sha256(tensors: Mapping[str, Tensor]) -> str:
    """Over names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, t in sorted(tensors.items()):
        digest.update(f"{name} {t.dtype} {tuple(t.shape)} ".encode() + t.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
