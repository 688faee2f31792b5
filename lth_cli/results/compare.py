"""Run records -> groups -> rows with statistics over seeds. Pure: no disk, no terminal."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from lth_cli.core.metrics import further
from lth_cli.results.experiments import experiments, identity
from lth_cli.rundir.read import Run

_CONFIDENCE = 0.95

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One arm at one round of one experiment, over its seeds.

    Accuracies and densities are fractions, differences are percentage points. `spread` is the standard deviation over
    seeds, None for one seed. `difference` is to the dense network of the same seed; `interval` its 95% Student
    interval's half-width. `gap` is the winning ticket minus this control, by seed. `early_stop_ratio` is the early-stop
    iteration over that of dense; with `early_stop_at_end` the validation loss of a seed was still at its minimum when
    training ended, and the iteration is only a lower bound. `retained` is the accuracy over that of dense, None where
    dense has none right. `further` are the means over seeds of the metrics beside
    loss and accuracy, on test, by column; None where a run is older than the metric.
    """

    run: str
    round: int
    arm: str
    seeds: int
    density: float
    remaining: int
    total: int
    parameters_kept: int
    parameters: int
    accuracy: float
    spread: float | None
    accuracy_min: float
    accuracy_max: float
    difference: float
    interval: float | None
    retained: float | None
    gap: float | None
    early_stop: float
    early_stop_at_end: bool
    early_stop_ratio: float
    early_stop_accuracy: float
    seconds: float
    verdict: str
    tolerance: float
    further: dict[str, float | None]


def compare(runs: Sequence[Run], tolerance: float = 1.0, every_round: bool = False) -> list[Row]:
    """A row per experiment and arm: dense, then each arm at the last round (or at each) that trained it.

    Runs whose configs differ only in seeds are one experiment. A seed that was run twice counts once, the later run.

    Args:
        tolerance: points below dense up to which a ticket is matching.
    """
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[identity(run)].append(run)
    names = experiments([members[0] for members in groups.values()])
    return [
        row
        for name, members in zip(names, groups.values(), strict=True)
        for row in _rows(name, members, tolerance, every_round)
    ]


def verdict(differences: Sequence[float], tolerance: float, resolution: float = 0.0) -> str:
    """winning, matching or below dense, from the difference of each seed in points.

    winning: above dense, with a 95% interval over seeds that leaves out 0 (a single seed has no spread, and must be
    above by more than the tolerance). below: worse by more than the tolerance. matching: neither.
    """
    mean, margin = fmean(differences), half_width(differences, resolution)
    if mean > (tolerance if margin is None else margin):
        return "winning"
    return "below" if mean < -tolerance else "matching"


def half_width(values: Sequence[float], resolution: float = 0.0) -> float | None:
    """Half the 95% Student interval of a mean; None for one value.

    Accuracies come in steps of one test image, so that two differences may be equal by rounding alone: the deviation is
    taken to be at least that of the rounding of two accuracies, `resolution` / √6.
    """
    n = len(values)
    if n == 1:
        return None
    from scipy.special import stdtrit  # a quarter of a second, which one seed need not pay

    deviation = max(stdev(values), resolution / math.sqrt(6))
    return float(stdtrit(n - 1, (1 + _CONFIDENCE) / 2)) * deviation / math.sqrt(n)


def _rows(name: str, members: Sequence[Run], tolerance: float, every_round: bool) -> Iterator[Row]:
    cells: dict[tuple[str, int], dict[int, Record]] = defaultdict(dict)
    for run in sorted(members, key=lambda run: str(run.record.get("started"))):
        for record in run.history:
            cells[record["arm"], record["round"]][record["seed"]] = record
    dense = cells.get(("dense", 0), {})
    record = members[0].record
    last = dict[str, int]()
    for arm, round in cells:
        last[arm] = max(round, last.get(arm, round))
    order = {arm: place for place, arm in enumerate(last)}
    for arm, round in sorted(cells, key=lambda cell: (cell[1], order[cell[0]])):
        paired = {seed: record for seed, record in cells[arm, round].items() if seed in dense}
        if paired and (every_round or round == last[arm]):
            yield _row(name, arm, round, paired, dense, cells.get(("winning", round), {}), record, tolerance)


def _row(
    name: str,
    arm: str,
    round: int,
    records: Mapping[int, Record],
    dense: Mapping[int, Record],
    winning: Mapping[int, Record],
    record: Record,
    tolerance: float,
) -> Row:
    first = next(iter(records.values()))
    accuracy = [row["test_accuracy"] for row in records.values()]
    differences = [100 * (row["test_accuracy"] - dense[seed]["test_accuracy"]) for seed, row in records.items()]
    gaps = [
        100 * (winning[seed]["test_accuracy"] - row["test_accuracy"])
        for seed, row in records.items()
        if seed in winning and arm not in ("dense", "winning")
    ]
    early = fmean(row["early_stop_iteration"] for row in records.values())
    parameters = record.get("parameters", first["total"])
    resolution = 100 / record["test_examples"] if record.get("test_examples") else 0.0
    dense_accuracy = fmean(dense[seed]["test_accuracy"] for seed in records)
    return Row(
        run=name,
        round=round,
        arm=arm,
        seeds=len(records),
        density=first["density"],
        remaining=first["remaining"],
        total=first["total"],
        parameters_kept=parameters - first["total"] + first["remaining"],
        parameters=parameters,
        accuracy=fmean(accuracy),
        spread=stdev(accuracy) if len(accuracy) > 1 else None,
        accuracy_min=min(accuracy),
        accuracy_max=max(accuracy),
        difference=fmean(differences),
        interval=half_width(differences, resolution),
        retained=fmean(accuracy) / dense_accuracy if dense_accuracy > 1e-9 else None,
        gap=fmean(gaps) if gaps else None,
        early_stop=early,
        early_stop_at_end=any(
            row["early_stop_iteration"] >= dense[seed]["iterations"] for seed, row in records.items()
        ),
        early_stop_ratio=early / fmean(dense[seed]["early_stop_iteration"] for seed in records),
        early_stop_accuracy=fmean(row["early_stop_test_accuracy"] for row in records.values()),
        seconds=fmean(row["train_seconds"] for row in records.values()),
        verdict="" if arm == "dense" else verdict(differences, tolerance, resolution),
        tolerance=tolerance,
        further={column: _mean([row[column] for row in records.values()]) for column in _further()},
    )


def _further() -> list[str]:
    return [metric.column("test") for metric in further()]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None
