"""An experiment in a few figures: the smallest matching density, the gap to each control there, and what it took."""

from collections.abc import Mapping
from dataclasses import dataclass

from lth_cli.core.arms import DENSE, WINNING
from lth_cli.results.experiment import Experiment, every
from lth_cli.results.rivals import beaten, judged
from lth_cli.results.statistics import Beats, Verdict


@dataclass(frozen=True)
class Headline:
    """Of an experiment of several seeds; differences in points, intervals at 95%.

    Args:
        run: its name.
        seeds: of the ticket.
        rivals: the arms that the ticket is held against, dense first.
        density: the smallest at which the ticket is winning or matching, its verdicts corrected for all rounds (Holm);
            None where there is none. What follows is of that round, or of the last one.
        difference: of its accuracy to that of dense.
        interval: half of its 95% interval.
        below: the largest density, of those that are smaller, at which it is below; None where there is none.
        gaps: by control of the round, or of the last one that has any: what the ticket is better by, and half of its
            interval.
        gaps_at: the density of that round; None without a control that is held fair.
        beaten: those that the ticket beats.
        iterations: of all training up to there.
        times_dense: that, over the training of the dense network; None where it was not trained.
    """

    run: str
    seeds: int
    rivals: tuple[str, ...]
    density: float | None
    difference: float
    interval: float
    below: float | None
    gaps: Mapping[str, tuple[float, float]]
    gaps_at: float | None
    beaten: tuple[str, ...]
    iterations: float
    times_dense: float | None


def headline(experiment: Experiment, tolerance: float) -> Headline | None:
    """Of all its rounds, whichever are shown; None without a verdict, as of one seed."""
    whole = experiment.showing(every)
    tickets = {k: held for (arm, k), held in judged(whole, tolerance).items() if arm == WINNING and held.n > 1}
    if not tickets:
        return None
    densities = whole.densities(WINNING)
    matches = [k for k, held in tickets.items() if held.said in (Verdict.winning, Verdict.matching)]
    round = min(matches or tickets, key=densities.__getitem__)
    smallest = densities[round] if matches else None
    lower = [densities[k] for k, held in tickets.items() if held.said == Verdict.below]
    held = {
        place: one for place, one in beaten(whole, tolerance).items() if one.n > 1 and one.said != Beats.less_trained
    }
    controlled = {k for _, k in held}
    at = round if round in controlled else max(controlled, default=None)
    gaps = {arm: one for (arm, k), one in held.items() if k == at}
    iterations, one = (whole.search(*place).iterations for place in ((WINNING, round), (DENSE, 0)))
    paired = tickets[round].paired
    return Headline(
        run=experiment.name,
        seeds=tickets[round].n,
        rivals=tuple(experiment.rivals),
        density=smallest,
        difference=paired.mean,
        interval=paired.margin or 0.0,
        below=max((density for density in lower if smallest is None or density < smallest), default=None),
        gaps={arm: (held.paired.mean, held.paired.margin or 0.0) for arm, held in gaps.items()},
        gaps_at=None if at is None else densities[at],
        beaten=tuple(arm for arm, held in gaps.items() if held.said == Beats.yes),
        iterations=iterations,
        times_dense=iterations / one if one else None,
    )
