"""Whether a training was long enough: what its validation loss still did at the end."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Fitted

_LAST = 0.2  # of training
_STILL_FALLING = 0.1  # of the validation loss


def not_converged(fitted: Sequence[Fitted]) -> dict[str, float]:
    """The arms of a round whose lowest validation loss fell by more than a tenth in the last fifth of training.

    Returns:
        By arm, by which fraction of itself it fell, the mean over seeds.
    """
    falls: dict[str, list[float]] = defaultdict(list)
    for one in fitted:
        if one.job.start.iterations > 0:
            falls[one.job.arm].append(_fall(one.curve))
    means = {arm: fmean(of_seeds) for arm, of_seeds in falls.items()}
    return {arm: fall for arm, fall in means.items() if fall > _STILL_FALLING}


def _fall(curve: Sequence[Evaluation]) -> float:
    first, last = curve[0].iteration, curve[-1].iteration
    before = [point.val_loss for point in curve if point.iteration <= last - _LAST * (last - first)]
    lowest = min(before)
    return 0.0 if lowest == 0 else 1 - min(point.val_loss for point in curve) / lowest
