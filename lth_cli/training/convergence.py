"""Whether trainings were long enough: what validation loss still did at their ends."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean

from lth_cli.core.arms import DENSE
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Fitted

_STILL_FALLING = 0.1  # of the validation loss
_NOTHING = 0.99  # of the validation loss of an untrained network

Curve = Sequence[Evaluation]
Curves = Sequence[tuple[str, Curve]]
"""Of the trainings of a round, each with its arm."""


def curves(fitted: Sequence[Fitted]) -> Curves:
    """Those of arms that are trained."""
    return [(one.job.arm, one.curve) for one in fitted if one.job.start.iterations > 0]


def unconverged(rounds: Sequence[Curves]) -> Iterator[str]:
    """A line for each thing that is wrong with how arms ended, of each arm in its last round.

    An arm has not converged where its lowest validation loss, the mean over seeds, fell by more than a tenth in the
    last fifth of training, which is not known where nothing was evaluated in the fifth before. It has learnt nothing
    where that is not a hundredth lower than that of the dense network before its training.

    Args:
        rounds: some of them, that of the dense networks first.
    """
    falls, known, lowest = (_by_arm(rounds, of) for of in (_fall, _is_known, _lowest))
    falls = {arm: fall for arm, fall in falls.items() if known[arm] == 1 and fall > _STILL_FALLING}
    if falls:
        falling = ", ".join(f"{arm} by {100 * fall:.0f}%" for arm, fall in falls.items())
        yield f"not converged, as validation loss still fell in the last fifth of training: {falling}"
    untrained = _by_arm(rounds, lambda curve: curve[0].val_loss).get(DENSE, float("inf"))
    if nothing := [arm for arm, loss in lowest.items() if loss >= _NOTHING * untrained]:
        yield f"learnt nothing, as validation loss is no lower than before training: {', '.join(nothing)}"
    if unknown := [arm for arm, share in known.items() if share < 1]:
        yield (
            "it is not known whether these converged, as nothing was evaluated in the last fifth but one of training "
            f"(eval_every): {', '.join(unknown)}"
        )


def _by_arm(rounds: Sequence[Curves], of: Callable[[Curve], float]) -> dict[str, float]:
    """The mean over the seeds of an arm's last round."""
    found: dict[str, float] = {}
    for each in rounds:
        of_seeds: dict[str, list[float]] = defaultdict(list)
        for arm, curve in each:
            of_seeds[arm].append(of(curve))
        found |= {arm: fmean(values) for arm, values in of_seeds.items()}
    return found


def _fall(curve: Curve) -> float:
    """By which fraction of itself the lowest loss fell in the last fifth of training."""
    before = _lowest(curve[: _until(curve, 4)])
    return 0.0 if before == 0 else 1 - _lowest(curve) / before


def _lowest(curve: Curve) -> float:
    return min(point.val_loss for point in curve)


def _is_known(curve: Curve) -> float:
    return float(_until(curve, 4) > _until(curve, 3))


def _until(curve: Curve, fifths: int) -> int:
    """How many evaluations there are up to so many fifths of training, their end included."""
    first, last = curve[0].iteration, curve[-1].iteration
    return sum(5 * (point.iteration - first) <= fifths * (last - first) for point in curve)
