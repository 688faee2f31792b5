"""What each arm of an experiment is held against, and what is claimed of that."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, OWN, WINNING
from lth_cli.results.experiment import Experiment, Place
from lth_cli.results.statistics import LEVEL, Beats, Paired, Verdict, beats, verdicts, worse


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
