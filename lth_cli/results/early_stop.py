"""The iteration of minimum validation loss, over that of the dense network (Frankle & Carbin 2019, §2).

Where the loss was still at its minimum when training ended, the iteration is only known to be no less: it is censored.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lth_cli.results.cost import Cell
from lth_cli.results.statistics import Paired


@dataclass(frozen=True)
class EarlyStop:
    """Of one arm over its seeds.

    Args:
        iteration: the mean; 0 where nothing is trained.
        censored: whether it is a lower bound, as that of a seed is.
        ratio: the geometric mean of its ratio to dense, seed by seed, which is 1 where both are alike; None where both
            of a seed are censored, or some seeds bound it from below and others from above.
        low: of its 95% interval, which is Student's of its logarithm; None for one seed, or where it is a bound.
        high: of the same.
        bound: of the ratio: ``≥`` where this arm is censored, ``≤`` where dense is, else empty.
    """

    iteration: float
    censored: bool
    ratio: float | None
    low: float | None
    high: float | None
    bound: str


def early_stop(rows: Cell, dense: Cell) -> EarlyStop:
    """Of the rows of an arm, whose seeds `dense` has all; a seed in which nothing is trained has no ratio."""
    stops = {seed: row["early_stop_iteration"] for seed, row in rows.items()}
    iteration, trained = fmean(stops.values()), [seed for seed, stop in stops.items() if stop > 0]
    ours, theirs = ([censored(of[seed], dense[seed]) for seed in trained] for of in (rows, dense))
    bounds = {"≥" for one in ours if one} | {"≤" for one in theirs if one}
    if not trained or len(bounds) > 1:
        return EarlyStop(iteration, any(ours), None, None, None, "")
    ratio = Paired.of([math.log(stops[seed] / dense[seed]["early_stop_iteration"]) for seed in trained])
    margin = None if bounds else ratio.margin
    low, high = (None if margin is None else math.exp(ratio.mean + side * margin) for side in (-1, 1))
    return EarlyStop(iteration, any(ours), math.exp(ratio.mean), low, high, "".join(bounds))


def censored(row: Mapping[str, Any], dense: Mapping[str, Any]) -> bool:
    """Whether a seed's loss was still at its minimum when training ended."""
    return bool(row["early_stop_iteration"] >= dense["iterations"])
