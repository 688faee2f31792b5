"""What each arm of an experiment is held against, paired by seed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, OWN, WINNING, drawn, go_on
from lth_cli.results.cost import Cells
from lth_cli.results.statistics import LEVEL, Beats, Paired, Verdict, beats, verdicts
from lth_cli.rundir.read import Run

_MEANS = ("early_stop_iteration", "reaches_dense_at")  # of whole numbers; a count of weights is the same in each draw

Place = tuple[str, int]
"""An arm, and a round."""


@dataclass(frozen=True)
class Experiment:
    """The runs of one experiment, as one.

    Args:
        cells: rows of history.
        shown: the cells of which there is a row, in its order.
    """

    name: str
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    cells: Cells
    shown: list[Place]

    @classmethod
    def of_runs(cls, name: str, runs: Sequence[Run], every_round: bool) -> "Experiment":
        """Of which each round of an arm is shown, or its last."""
        cells: dict[Place, dict[int, Mapping[str, Any]]] = defaultdict(dict)
        for run in sorted(runs, key=lambda run: str(run.record.get("started"))):
            for (arm, round, seed), rows in _draws(run).items():
                cells[arm, round][seed] = rows[0] if len(rows) == 1 else _mean(rows)
        last = dict[str, int]()
        for arm, round in cells:
            last[arm] = max(round, last.get(arm, round))
        order = {arm: place for place, arm in enumerate(last)}
        found = cls(name, runs[0].record, runs[0].config, cells, [])
        for arm, round in sorted(cells, key=lambda cell: (cell[1], order[cell[0]])):
            if found.of(arm, round) and (every_round or round == last[arm]):
                found.shown.append((arm, round))
        return found

    @property
    def rival(self) -> str:
        """The arm that a verdict is against."""
        return DENSE_RETRAINED if go_on(self.config) else DENSE

    @property
    def resolution(self) -> float:
        """One test image, in points; 0 where nobody knows how many there are."""
        return 100 / self.record["test_examples"] if self.record.get("test_examples") else 0.0

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
    """An arm held against another.

    Args:
        paired: the difference, in points.
        said: what is claimed of it, a `Verdict` or a `Beats`.
        seeds_to_tell: how many seeds would decide it; None where it is decided, or nobody knows.
    """

    paired: Paired
    said: str
    seeds_to_tell: int | None


def judged_in(experiment: Experiment, tolerance: float) -> dict[Place, Held]:
    """Each arm of which there is a row, against its baseline."""

    def against_rival(place: Place) -> Paired | None:
        return None if place[0] in (DENSE, DENSE_RETRAINED) else experiment.against(*place, experiment.rival)

    return _held(experiment.shown, against_rival, lambda several: verdicts(several, tolerance), -tolerance)


def beaten_in(experiment: Experiment, tolerance: float) -> dict[Place, Held]:
    """Each control of which there is a row, as the ticket of its round minus it."""

    def of_ticket(place: Place) -> Paired | None:
        arm, round = place
        return None if arm in OWN else experiment.against(WINNING, round, arm)

    return _held(experiment.shown, of_ticket, lambda several: beats(several, tolerance), 0.0)


def _held(
    places: Sequence[Place],
    pair: Callable[[Place], Paired | None],
    decide: Callable[[Sequence[Paired]], Sequence[Verdict | Beats]],
    bound: float,
) -> dict[Place, Held]:
    """Decide the rounds of each arm together.

    Args:
        bound: on whose side the difference is, where it is decided.
    """
    arms: dict[str, dict[Place, Paired]] = defaultdict(dict)
    for place in places:
        if (paired := pair(place)) is not None:
            arms[place[0]][place] = paired
    found = {}
    for rounds in arms.values():
        for (place, paired), said in zip(rounds.items(), decide(list(rounds.values())), strict=True):
            open_ = said in (Verdict.undecided, Beats.undecided)
            found[place] = Held(paired, said, paired.seeds_to_tell(bound, LEVEL / len(rounds)) if open_ else None)
    return found
