"""What each arm of an experiment is held against, paired by seed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from statistics import fmean
from typing import Any

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, OWN, WINNING, drawn, go_on
from lth_cli.results.cost import Cells
from lth_cli.results.statistics import LEVEL, Beats, Paired, Verdict, beats, verdicts, worse
from lth_cli.rundir.read import Run

_FRESH = ("lth_cli.controls.Reinit", "lth_cli.controls.Constant")
_MEANS = ("early_stop_iteration", "reaches_dense_at")  # of whole numbers; a count of weights is the same in each draw

Place = tuple[str, int]
"""An arm, and a round."""


@dataclass(frozen=True)
class Experiment:
    """The runs of one experiment, as one.

    Args:
        cells: rows of history.
        diverged: the seeds of arms and rounds that are left out.
        shown: the cells of which there is a row, in its order.
    """

    name: str
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    cells: Cells
    diverged: Mapping[Place, set[int]]
    shown: list[Place]

    @classmethod
    def of_runs(cls, name: str, runs: Sequence[Run], every_round: bool) -> "Experiment":
        """Of which each round of an arm is shown, or its last."""
        cells: dict[Place, dict[int, Mapping[str, Any]]] = defaultdict(dict)
        for run in sorted(runs, key=lambda run: str(run.record.get("started"))):
            for (arm, round, seed), rows in _draws(run).items():
                cells[arm, round][seed] = rows[0] if len(rows) == 1 else _mean(rows)
        diverged: dict[Place, set[int]] = defaultdict(set)
        for one in (one for run in runs for one in run.record.get("diverged", [])):
            diverged[one["arm"], one["round"]].add(one["seed"])
        last = dict[str, int]()
        for arm, round in cells:
            last[arm] = max(round, last.get(arm, round))
        order = {arm: place for place, arm in enumerate(last)}
        rounds = {round for arm, round in last.items() if arm not in OWN}  # beside a control stands its ticket
        found = cls(name, runs[0].record, runs[0].config, cells, diverged, [])
        for arm, round in sorted(cells, key=lambda cell: (cell[1], order[cell[0]])):
            if found.of(arm, round) and (every_round or round == last[arm] or (arm == WINNING and round in rounds)):
                found.shown.append((arm, round))
        return found

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
        gone = {
            seed for (one, k), seeds in self.diverged.items() if one in (arm, *OWN[:2]) and k <= round for seed in seeds
        }
        return len(gone - self.of(arm, round).keys())

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

    def of(self, arm: str, round: int) -> Mapping[int, Mapping[str, Any]]:
        """Rows by seed, of the seeds that have a dense network."""
        dense = self.cells.get((DENSE, 0), {})
        return {seed: row for seed, row in self.cells.get((arm, round), {}).items() if seed in dense}

    def against(self, arm: str, round: int, other: str) -> Paired | None:
        """An arm minus another of the same round and seed, or minus dense; None where no seed has both."""
        theirs = self.of(other, 0 if other == DENSE else round)
        ours = self.of(arm, round)
        points = [100 * (row["test_accuracy"] - theirs[s]["test_accuracy"]) for s, row in ours.items() if s in theirs]
        return Paired.of(points, self.resolution) if points else None


def _count(value: object) -> int | None:
    """A number of things, where it can be one: a file says it."""
    return value if type(value) is int and 0 < value < 2**63 else None


def _draws(run: Run) -> dict[tuple[str, int, int], list[Mapping[str, Any]]]:
    """The rows of an arm, round and seed; of a control, those of all its draws."""
    controls = run.config.get("controls")
    names = drawn(controls) if isinstance(controls, Mapping) else {}
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


@dataclass(frozen=True)
class Held:
    """An arm held against others.

    Args:
        paired: the difference to the one, or the first, in points.
        said: what is claimed of it, a `Verdict` or a `Beats`.
        n: the seeds that all of them have.
        seeds_to_tell: how many seeds would decide it; None where it is decided, or nobody knows.
    """

    paired: Paired
    said: Verdict | Beats
    n: int
    seeds_to_tell: int | None


def differences(experiment: Experiment, rival: str) -> dict[Place, Paired]:
    """Each arm of which there is a row, minus a dense one."""
    paired = {place: experiment.against(*place, rival) for place in experiment.shown if place[0] not in (DENSE, rival)}
    return {place: one for place, one in paired.items() if one is not None}


def judged(experiment: Experiment, tolerance: float) -> dict[Place, Held]:
    """Each ticket and control of which there is a row, by what holds against all its baselines.

    One that lacks a baseline is left out.
    """

    def decide(rounds: Sequence[Paired]) -> Sequence[Verdict]:
        return verdicts(rounds, tolerance)

    held = [_held(differences(experiment, rival), decide, -tolerance, -tolerance) for rival in experiment.rivals]
    return {
        place: reduce(_worse, (one[place] for one in held))
        for place in held[0]
        if place[0] != DENSE_RETRAINED and all(place in one for one in held)
    }


def beaten(experiment: Experiment, tolerance: float) -> dict[Place, Held]:
    """Each control of which there is a row, as the ticket of its round minus it."""

    def decide(rounds: Sequence[Paired]) -> Sequence[Beats]:
        return beats(rounds, tolerance)

    controls = [place for place in experiment.shown if place[0] not in OWN]
    paired = {(arm, round): experiment.against(WINNING, round, arm) for arm, round in controls}
    held = _held({place: one for place, one in paired.items() if one is not None}, decide, 0.0, tolerance)
    fresh = experiment.less_trained
    return {
        place: replace(one, said=Beats.less_trained, seeds_to_tell=None) if place[0] in fresh else one
        for place, one in held.items()
    }


def _held(
    paired: Mapping[Place, Paired],
    decide: Callable[[Sequence[Paired]], Sequence[Verdict | Beats]],
    above: float,
    below: float,
) -> dict[Place, Held]:
    """Decide the rounds of each arm together.

    Args:
        above: a difference that is above this is decided.
        below: as is one that is below this.
    """
    arms: dict[str, dict[Place, Paired]] = defaultdict(dict)
    for place, one in paired.items():
        arms[place[0]][place] = one
    found = {}
    for rounds in arms.values():
        level = LEVEL / len(rounds)
        for (place, one), said in zip(rounds.items(), decide(list(rounds.values())), strict=True):
            is_open = said in (Verdict.undecided, Beats.undecided)
            found[place] = Held(one, said, one.n, one.seeds_to_tell(above, below, level) if is_open else None)
    return found


def _worse(one: Held, other: Held) -> Held:
    """What holds of both."""
    assert isinstance(one.said, Verdict)
    assert isinstance(other.said, Verdict)
    needed = [held.seeds_to_tell for held in (one, other) if held.said == Verdict.undecided]
    said = worse(one.said, other.said)
    to_tell = max(filter(None, needed), default=None) if said == Verdict.undecided and all(needed) else None
    return Held(one.paired, said, min(one.n, other.n), to_tell)
