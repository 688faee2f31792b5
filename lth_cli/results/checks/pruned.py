"""The check that tickets keep what the criterion likes best, where the weights on disk are all that it looks at."""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lth_cli.core.counts import Counts
from lth_cli.core.masks import equal
from lth_cli.core.seeds import generator
from lth_cli.core.state import Mask
from lth_cli.datasets.dataset import Split
from lth_cli.lottery.prune import Pruner
from lth_cli.lottery.replicate import Replicate
from lth_cli.results.checks.files import Files, NotKnown, where

_BY_WEIGHT = ("lth_cli.pruners.magnitude", "lth_cli.pruners.lamp")
_MOST_STEPS = 10  # of a round: a short file may ask for what takes hours


def pruned(files: Files) -> Iterator[str]:
    """Each ticket, pruned once more from the network of the round before."""
    pruner = files.run.config.get("pruner")
    score = pruner.get("score") if isinstance(pruner, dict) else None
    target = score.get("_target_") if isinstance(score, dict) else None
    if files.run.config.get("ticket") is not None or not pruner or target not in _BY_WEIGHT:
        return
    layers, keep, steps = files.run.record.get("layers"), files.run.record.get("keep"), pruner.get("steps")
    if pruner.get("at") != "trained" or steps not in range(1, _MOST_STEPS + 1) or not layers or not keep:
        return
    criterion, pattern = files.choice("pruner", "score"), files.choice("pattern")
    if isinstance(criterion, NotKnown) or isinstance(pattern, NotKnown):
        return  # which others say
    prune = Pruner(criterion, "trained", steps, pattern, _network, Split(torch.empty(0), torch.empty(0)))
    for seed in files.seeds:
        for before, key in itertools.pairwise(files.tickets_of(seed)):
            mask, state = files.state(before)
            if mask.keys() != layers.keys():  # whose order tells ties apart
                return
            replicate = Replicate(seed, state, state, state, {name: mask[name] for name in layers})
            wants, _ = prune(replicate, Counts.parse(keep[key[0]]), generator(seed, "prune", key[0]))
            if not equal(wants, files.mask(key)):
                yield f"{where(key)}: {_differ(wants, files.mask(key)):,} weights are not those that {target} keeps"


def _differ(wants: Mask, has: Mask) -> int:
    return sum(int((wants[name] & ~m).sum()) for name, m in has.items())


def _network(*arguments: Any) -> Tensor:
    raise ValueError("a criterion of weights asks for no network")
