"""The runs of one experiment, as one: its arms, round by round, paired by seed."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Any

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, OWN, WINNING, drawn_by, go_on
from lth_cli.core.spelling import brief, clean
from lth_cli.results.cost import Cell, Cells, Cost, Spent, cost, spent
from lth_cli.results.experiments import Said, experiments, identity, named
from lth_cli.results.lost import Lost
from lth_cli.results.overrides import is_missing, lookup
from lth_cli.results.statistics import Paired
from lth_cli.rundir.read import Run
from lth_cli.rundir.sameness import BEFORE

_FRESH = ("lth_cli.controls.Reinit", "lth_cli.controls.Constant")
_LONGEST = 100  # characters of a value, as each row has it
_MEANS = ("early_stop_iteration", "reaches_dense_at")  # of whole numbers; a count of weights is the same in each draw

Place = tuple[str, int]
"""An arm, and a round."""


Rounds = Callable[["Experiment", str], Set[int]]
"""An experiment, one of its arms -> the rounds of the arm that are shown."""


def last(experiment: "Experiment", arm: str) -> Set[int]:
    """The last round of an arm."""
    return {max(experiment.densities(arm))}


def every(experiment: "Experiment", arm: str) -> Set[int]:
    """All of them."""
    return experiment.densities(arm).keys()


def nearest_to(density: float) -> Rounds:
    """The round of which the density is nearest, as a ratio."""

    def chosen(experiment: "Experiment", arm: str) -> Set[int]:
        densities = experiment.densities(arm)
        return {min(densities, key=lambda round: abs(math.log(max(densities[round], 1e-300) / density)))}

    return chosen


@dataclass(frozen=True)
class Experiment:
    """The runs of one experiment, as one.

    Args:
        said: what tells it from others, by key.
        runs: of each seed that has a dense network, the later one of two.
        twice: the seeds of which an earlier run is left out.
        alone: the seeds that have no dense network to be held against, and are left out.
        cells: rows of history.
        diverged: the seeds of arms and rounds that are left out.
        shown: the cells of which there is a row, in its order.
    """

    name: str
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    said: Said
    runs: Mapping[int, Run]
    twice: Set[int]
    alone: Set[int]
    cells: Cells
    diverged: Mapping[Place, set[int]]
    shown: Sequence[Place] = ()

    @classmethod
    def of_runs(cls, name: str, said: Said, runs: Sequence[Run]) -> "Experiment":
        """Of which all is known, and nothing is shown yet. Of a seed that was run twice, all is of the later run."""
        of_seed, twice = dict[int, Run](), set[int]()
        for run in sorted(runs, key=lambda run: str(run.record.get("started"))):
            lost = {one["seed"] for one in run.record.get("diverged", [])}
            for seed in {row["seed"] for row in run.history} | lost:
                twice |= {seed} & of_seed.keys()
                of_seed[seed] = run
        cells: dict[Place, dict[int, Mapping[str, Any]]] = defaultdict(dict)
        diverged: dict[Place, set[int]] = defaultdict(set)
        for run in runs:
            for (arm, round, seed), rows in _draws(run).items():
                if of_seed[seed] is run:
                    cells[arm, round][seed] = rows[0] if len(rows) == 1 else _mean(rows)
            for one in run.record.get("diverged", []):
                if of_seed[one["seed"]] is run:
                    diverged[one["arm"], one["round"]].add(one["seed"])
        dense = cells.get((DENSE, 0), {}).keys()
        alone = of_seed.keys() - dense - diverged.get((DENSE, 0), set())
        found = {seed: run for seed, run in sorted(of_seed.items()) if seed in dense}
        return cls(name, runs[0].record, runs[0].config, said, found, twice, alone, cells, diverged)

    def showing(self, rounds: Rounds) -> "Experiment":
        """With these rounds of an arm shown, and beside a control always its ticket."""
        shown = {arm: set(rounds(self, arm)) for arm in self.arms}
        beside = set[int]().union(*(of_arm for arm, of_arm in shown.items() if arm not in OWN))
        shown[WINNING] = shown.get(WINNING, set()) | beside
        places = [(arm, round) for arm in self.arms for round in self.densities(arm) if round in shown[arm]]
        return replace(self, shown=sorted(places, key=lambda place: place[1]))  # which keeps the order of arms

    @cached_property
    def _densities(self) -> Mapping[str, Mapping[int, float]]:
        found: dict[str, dict[int, float]] = defaultdict(dict)
        for arm, round in self.cells:
            if by_seed := self.of(arm, round):
                found[arm][round] = next(iter(by_seed.values()))["density"]
        return found

    @cached_property
    def _spent(self) -> Spent:
        return spent(self.cells)

    @property
    def arms(self) -> list[str]:
        """Those that have a seed with a dense network, in the order of history."""
        return list(self._densities)

    def densities(self, arm: str) -> Mapping[int, float]:
        """Of each round of an arm."""
        return self._densities.get(arm, {})

    @property
    def rivals(self) -> list[str]:
        """The arms that a verdict is against: all of them, as one that was trained again may be worse than dense."""
        return [DENSE, DENSE_RETRAINED] if go_on(self.config) else [DENSE]

    @property
    def less_trained(self) -> set[str]:
        """Controls that start from fresh weights, where the ticket goes on from trained ones."""
        controls = self.config.get("controls")
        if not go_on(self.config) or not isinstance(controls, Mapping):
            return set()
        targets = {arm: node.get("_target_") for arm, node in controls.items() if isinstance(node, Mapping)}
        return {arm for arm, target in targets.items() if target in _FRESH}

    def lost(self, arm: str, round: int) -> int:
        """How many seeds an arm lacks, as it, its ticket or its dense network diverged."""
        return self._lost[arm].beside(self.of(arm, round), round)

    @cached_property
    def _lost(self) -> Mapping[str, Lost]:
        return {arm: Lost.of(arm, self.diverged) for arm in self.arms}

    @property
    def resolution(self) -> float:
        """One test image, in points; 0 where nobody knows how many there are."""
        return 100 / self.test_examples if self.test_examples else 0.0

    @property
    def test_examples(self) -> int | None:
        return _count(self.record.get("test_examples"))

    @property
    def flops(self) -> int | None:
        """Of a forward pass of the dense network, per example."""
        return _count(self.record.get("flops_per_example"))

    @property
    def batch(self) -> int | None:
        """Examples of an iteration."""
        train = self.config.get("train")
        return _count(train.get("batch_size")) if isinstance(train, Mapping) else None

    def of(self, arm: str, round: int) -> Cell:
        """Rows by seed, of the seeds that have a dense network."""
        dense, there = (self.cells.get(place, {}) for place in ((DENSE, 0), (arm, round)))
        return there if there is dense else {seed: row for seed, row in there.items() if seed in dense}

    def value(self, key: str) -> str | None:
        """The choice of a config group, with what else of the group tells experiments apart; or the value of a key.

        None where its config has no such key, as that of an option that was not chosen. A long one loses its middle.
        """
        found = self._value(key)
        return None if found is None else brief(clean(found), width=_LONGEST)

    def _value(self, key: str) -> str | None:
        choices = self.record.get("choices", {})
        if key in choices:
            inner = f"{key}."
            more = {name.removeprefix(inner): text for name, text in self.said.items() if name.startswith(inner)}
            return f"{choices[key]} {named(more)}".strip()
        there = lookup(self.config, key)
        there = BEFORE.get(key, there) if is_missing(there) else there
        if isinstance(there, Mapping) and "_target_" in there:
            return str(there["_target_"]).rpartition(".")[2]
        return None if is_missing(there) else str(there)

    def apart_from(self, keys: Sequence[str]) -> str:
        """Its name without what it says of keys."""
        inner = tuple(f"{key}." for key in keys)
        return named({name: text for name, text in self.said.items() if not f"{name}.".startswith(inner)})

    def search(self, arm: str, round: int) -> Cost:
        """What its training took, and all that came before it."""
        return cost(self.cells, self._spent, arm, round, self.of(arm, round).keys(), self.batch, self.flops)

    def against(self, arm: str, round: int, other: str) -> Paired | None:
        """An arm minus another of the same round and seed, or minus dense; None where no seed has both."""
        return between(self.of(arm, round), self.of(other, 0 if other == DENSE else round), self.resolution)


def between(ours: Cell, theirs: Cell, resolution: float) -> Paired | None:
    """The test accuracy of an arm minus that of another, seed by seed, in points; None where no seed has both."""
    points = [100 * (row["test_accuracy"] - theirs[s]["test_accuracy"]) for s, row in ours.items() if s in theirs]
    return Paired.of(points, resolution) if points else None


def gathered(runs: Sequence[Run]) -> list[Experiment]:
    """The experiments that runs are of: those on the same data whose configs differ only in seeds are one."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[identity(run)].append(run)
    names = experiments([members[0] for members in groups.values()])
    return [Experiment.of_runs(*name, members) for name, members in zip(names, groups.values(), strict=True)]


def _count(value: object) -> int | None:
    """A number of things, where it can be one: a file says it."""
    return value if type(value) is int and 0 < value < 2**63 else None


def _draws(run: Run) -> dict[tuple[str, int, int], list[Mapping[str, Any]]]:
    """The rows of an arm, round and seed; of a control, those of all its draws."""
    names = drawn_by(run.config)
    found: dict[tuple[str, int, int], list[Mapping[str, Any]]] = defaultdict(list)
    for row in run.history:
        name, _ = names.get(row["arm"], (row["arm"], 0))
        found[name, row["round"], row["seed"]].append(row)
    return found


def _mean(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of draws: the mean of each number that all of them have."""
    return {
        key: fmean(row[key] for row in rows)
        if isinstance(value, float) or (key in _MEANS and all(row[key] is not None for row in rows))
        else value
        for key, value in rows[0].items()
    }
