"""What each arm of an experiment is held against, paired by seed."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, OWN, WINNING, go_on
from lth_cli.results.cost import Cells
from lth_cli.results.statistics import LEVEL, Beats, Paired, Verdict, beats, verdicts

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
