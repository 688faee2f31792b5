"""Runs -> what is drawn of them: experiments as `lth compare` has them, with a point per arm and round."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from statistics import fmean

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING, drawn_by
from lth_cli.results.early_stop import censored
from lth_cli.results.experiment import Experiment, every, gathered
from lth_cli.results.statistics import Paired
from lth_cli.rundir.names import Key
from lth_cli.rundir.read import Run
from lth_cli.rundir.tables import Row, read_table

Curve = list[tuple[int, float]]
"""By iteration, a number."""


@dataclass(frozen=True)
class Point:
    """An arm at a round, over its seeds.

    Args:
        remaining: weights kept, in percent; those of the ticket beside it for a dense network that is trained again.
        accuracy: on test, in percent.
        accuracy_margin: half of the 95% Student interval of its mean over seeds; None for one seed.
        early_stop: the iteration; 0 where nothing is trained.
        early_stop_margin: None for one seed, too, and where it is censored.
        censored: whether a seed's validation loss was still at its minimum when training ended.
        search: iterations of all training up to there.
    """

    round: int
    remaining: float
    seeds: int
    accuracy: float
    accuracy_margin: float | None
    early_stop: float
    early_stop_margin: float | None
    censored: bool
    search: float


@dataclass(frozen=True)
class Study:
    """An experiment with its points."""

    experiment: Experiment

    @property
    def name(self) -> str:
        return self.experiment.name

    @property
    def runs(self) -> Mapping[int, Run]:
        """That of each seed."""
        return self.experiment.runs

    @property
    def title(self) -> str:
        """Its name, and over how many seeds."""
        return f"{self.name}, {len(self.runs)} seed{'s' * (len(self.runs) != 1)}"

    @cached_property
    def points(self) -> dict[str, list[Point]]:
        """By arm, round by round; dense has one."""
        found: dict[str, list[Point]] = defaultdict(list)
        for arm, round in self.experiment.shown:
            found[arm].append(self._point(arm, round))
        return dict(found)

    def table(self, name: str) -> Iterator[tuple[Key, list[Row]]]:
        """The rows of a table, one seed after the other, as all together may not fit into memory; raises Damaged."""
        for seed, run in self.runs.items():
            table = read_table(run.path, name, run.record["format"])
            yield from ((key, rows) for key, rows in table.items() if key[2] == seed)

    def arm(self, name: str) -> str:
        """The control of which an arm is a draw, or the arm itself."""
        return drawn_by(self.experiment.config).get(name, (name, 0))[0]

    def rounds(self, most: int) -> list[int]:
        """The rounds of its tickets, the first and the last among them; evenly chosen where there are more."""
        there = sorted({round for arm, round in self.experiment.shown if arm in (DENSE, WINNING)})
        steps = min(most, len(there)) - 1
        return [there[(i * (len(there) - 1) + steps // 2) // steps] for i in range(steps + 1)] if steps > 0 else there

    def _point(self, arm: str, round: int) -> Point:
        rows, dense = self.experiment.of(arm, round), self.experiment.of(DENSE, 0)
        beside = self.experiment.of(WINNING, round) if arm == DENSE_RETRAINED else {}
        accuracy = Paired.of([100 * row["test_accuracy"] for row in rows.values()])
        stop = Paired.of([float(row["early_stop_iteration"]) for row in rows.values()])
        bound = any(censored(row, dense[seed]) for seed, row in rows.items())
        return Point(
            round=round,
            remaining=100 * next(iter((beside or rows).values()))["density"],
            seeds=len(rows),
            accuracy=accuracy.mean,
            accuracy_margin=accuracy.margin,
            early_stop=stop.mean,
            early_stop_margin=None if bound else stop.margin,
            censored=bound,
            search=self.experiment.search(arm, round).iterations,
        )


def studies(runs: Sequence[Run]) -> list[Study]:
    """The experiments of some runs that are done; those without a dense network are left out."""
    return [Study(one.showing(every)) for one in gathered(runs) if one.runs]


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean of curves, at the iterations that all of them have."""
    by_iteration: dict[int, list[float]] = defaultdict(list)
    for iteration, value in chain.from_iterable(curves):
        by_iteration[iteration].append(value)
    whole = {i: values for i, values in by_iteration.items() if len(values) == len(curves)}
    return [(i, fmean(values)) for i, values in sorted(whole.items()) if all(map(math.isfinite, values))]
