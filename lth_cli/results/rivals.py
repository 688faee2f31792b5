"""What each arm of an experiment is held against, and what is claimed of that."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, OWN, WINNING
from lth_cli.results.experiment import Experiment, Place, between
from lth_cli.results.statistics import LEVEL, Beats, Paired, Verdict, beats, verdicts, worse

_NEAR = math.log(1.05)  # densities that are compared: N:M and whole filters round otherwise than single weights


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


def versus(experiment: Experiment, baseline: Experiment, tolerance: float) -> dict[Place, Held]:
    """Each arm of which there is a row, minus the same arm of another experiment, seed by seed.

    Of its rounds, the one whose density is nearest. Left out is what has no seed in common, whose densities are no
    nearer than `_NEAR`, and what was tested on other data.
    """

    def decide(rounds: Sequence[Paired]) -> Sequence[Verdict]:
        return verdicts(rounds, tolerance)

    data = {one.record.get("data_sha256") for one in (experiment, baseline)} - {None}
    if experiment.name == baseline.name or len(data) > 1:
        return {}
    paired = dict[Place, Paired]()
    for arm, round in experiment.shown:
        density, there = experiment.densities(arm)[round], baseline.densities(arm)
        apart = {k: (abs(math.log(there[k] / density)), abs(k - round)) for k in there if min(there[k], density) > 0}
        nearest = min(apart, key=apart.__getitem__, default=None)
        if nearest is not None and apart[nearest][0] <= _NEAR:
            one = between(experiment.of(arm, round), baseline.of(arm, nearest), experiment.resolution)
            if one is not None:
                paired[arm, round] = one
    return _held(paired, decide, -tolerance, -tolerance)


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
