"""Run records -> groups -> rows with statistics over seeds. Pure: no disk, no terminal."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING
from lth_cli.core.metrics import further
from lth_cli.results.early_stop import early_stop
from lth_cli.results.experiment import Experiment, Place, Rounds, gathered, last
from lth_cli.results.rivals import Held, beaten, differences, judged, versus
from lth_cli.results.statistics import Beats, Paired, sampling_error
from lth_cli.rundir.read import Run


@dataclass(frozen=True)
class Row:
    """One arm at one round of one experiment, over its seeds.

    Accuracies and densities are fractions in [0, 1], differences are percentage points.

    Args:
        run: the name of the experiment.
        group: of experiments that are laid side by side by keys, what their names have beside these; else its name.
        seeds: how many.
        remaining: prunable weights that are kept, of `total`.
        parameters_kept: all parameters but the pruned ones, of `parameters`.
        accuracy: on test at the end of training, the mean over seeds.
        spread: its standard deviation over seeds; None for one seed.
        sampling_error: the standard error of `accuracy` that the size of the test set makes; None where it is unknown.
        diverged: how many more seeds there would be, had they not diverged.
        difference: of the accuracy to that of dense, seed by seed.
        interval: half of its 95% Student interval; None for one seed.
        retrained_difference: the same to dense_retrained of the round; None where it was not trained.
        retrained_interval: half of its interval.
        retained: `accuracy` over that of dense; None where dense has none right.
        gap: the winning ticket of the same round and seed minus this control; None of lth's own arms.
        gap_interval: half of its 95% interval.
        early_stop: see `early_stop.EarlyStop`, as for the five that follow.
        early_stop_accuracy: on test, at that iteration.
        reaches_dense_at: the first iteration at which it loses no more on validation than dense does at its early stop,
            the mean of the seeds that do; None where none does, or the run is older than this.
        reaches_dense: how many seeds do.
        seconds: of this training.
        search_iterations: of all training that it takes to come here, as for the three that follow; see `cost.Cost`.
        verdict: a `Verdict` of `difference`; where tickets go on from trained weights, one that holds of
            `retrained_difference`, too. Empty for dense networks, and where one of these is missing.
        rivals: the arms that it is against, with + between them; empty without one.
        verdict_seeds: how many seeds it is of: those that all these arms have.
        beats: whether the winning ticket beats this control, a `Beats`; empty of lth's own arms.
        controls_beaten: of a ticket, how many of its controls it beats; None of other arms, or without controls.
        controls: of a ticket, how many it has.
        seeds_to_tell: of a control, how many seeds would tell whether it is beaten; of another arm, how many would
            decide its verdict. None where that is decided, or nobody knows.
        baseline_difference: to the same arm of another experiment, as far as there is one; see `rivals.versus`.
        baseline_interval: half of its 95% interval.
        baseline_verdict: a `Verdict` of it; empty without one.
        tolerance: points below the baseline up to which an arm is matching.
        further: by column, the means on test of metrics beside loss and accuracy; None where a run is older than one.
        keys: the values of the keys by which experiments are laid side by side.
    """

    run: str
    group: str
    round: int
    arm: str
    seeds: int
    density: float
    remaining: int
    total: int
    parameters_kept: int
    parameters: int
    accuracy: float
    spread: float | None
    accuracy_min: float
    accuracy_max: float
    sampling_error: float | None
    diverged: int
    difference: float
    interval: float | None
    retrained_difference: float | None
    retrained_interval: float | None
    retained: float | None
    gap: float | None
    gap_interval: float | None
    early_stop: float
    early_stop_at_end: bool
    early_stop_ratio: float | None
    early_stop_ratio_low: float | None
    early_stop_ratio_high: float | None
    early_stop_ratio_bound: str
    early_stop_accuracy: float
    reaches_dense_at: float | None
    reaches_dense: int
    seconds: float
    search_iterations: float
    search_examples: float | None
    search_flops: float | None
    search_seconds: float
    verdict: str
    rivals: str
    verdict_seeds: int
    beats: str
    controls_beaten: int | None
    controls: int | None
    seeds_to_tell: int | None
    baseline_difference: float | None
    baseline_interval: float | None
    baseline_verdict: str
    tolerance: float
    further: dict[str, float | None]
    keys: dict[str, str]


def compare(runs: Sequence[Run], tolerance: float = 1.0, rounds: Rounds = last) -> list[Row]:
    """The rows of the experiments that runs are of: of each arm the last round that trained it, or others."""
    return [row for one in gathered(runs) for row in rows_of(one.showing(rounds), tolerance)]


def rows_of(
    experiment: Experiment, tolerance: float, keys: Sequence[str] = (), baseline: Experiment | None = None
) -> list[Row]:
    """A row for each arm and round that is shown.

    Of a control that was drawn several times, a seed has the mean.
    The verdicts of an arm are corrected for the rounds that are shown of it.

    Args:
        tolerance: points below its baseline up to which an arm is matching.
        keys: of the config, whose values rows have.
        baseline: another experiment, to which each arm is held, too.
    """
    versus_it = {} if baseline is None else versus(experiment, baseline, tolerance)
    group = experiment.apart_from(keys) if keys else experiment.name
    claims = _Claims(experiment, group, tolerance, {key: experiment.value(key) or "" for key in keys}, versus_it)
    return [_row(claims, *place) for place in experiment.shown]


@dataclass(frozen=True)
class _Claims:
    """What is known of all arms of an experiment together."""

    experiment: Experiment
    group: str
    tolerance: float
    keys: dict[str, str]
    versus: Mapping[Place, Held]

    @cached_property
    def dense(self) -> Mapping[Place, Paired]:
        return differences(self.experiment, DENSE)

    @cached_property
    def retrained(self) -> Mapping[Place, Paired]:
        return differences(self.experiment, DENSE_RETRAINED)

    @cached_property
    def judged(self) -> Mapping[Place, Held]:
        return judged(self.experiment, self.tolerance)

    @cached_property
    def beaten(self) -> Mapping[Place, Held]:
        return beaten(self.experiment, self.tolerance)

    @cached_property
    def fair(self) -> Mapping[int, Sequence[str]]:
        """What is said of the controls of each round that were trained as long as its ticket."""
        found = defaultdict[int, list[str]](list)
        for (_, round), held in self.beaten.items():
            if held.said != Beats.less_trained:
                found[round].append(held.said)
        return found


def _row(claims: _Claims, arm: str, round: int) -> Row:
    experiment, place = claims.experiment, (arm, round)
    rows, dense, record = experiment.of(arm, round), experiment.of(DENSE, 0), experiment.record
    first = next(iter(rows.values()))
    accuracy = [row["test_accuracy"] for row in rows.values()]
    mean = fmean(accuracy)
    parameters = record.get("parameters", first["total"])
    dense_accuracy = fmean(dense[seed]["test_accuracy"] for seed in rows)
    early = early_stop(rows, dense)
    reached = [at for row in rows.values() if (at := row.get("reaches_dense_at")) is not None]
    search = experiment.search(arm, round)
    difference, retrained = claims.dense.get(place), claims.retrained.get(place)
    verdict, gap, versus_it = (held.get(place) for held in (claims.judged, claims.beaten, claims.versus))
    controls = claims.fair.get(round, []) if arm == WINNING else []
    to_tell = next((held.seeds_to_tell for held in (gap, verdict) if held is not None), None)
    return Row(
        run=experiment.name,
        group=claims.group,
        round=round,
        arm=arm,
        seeds=len(rows),
        density=first["density"],
        remaining=first["remaining"],
        total=first["total"],
        parameters_kept=parameters - first["total"] + first["remaining"],
        parameters=parameters,
        accuracy=mean,
        spread=stdev(accuracy) if len(accuracy) > 1 else None,
        accuracy_min=min(accuracy),
        accuracy_max=max(accuracy),
        sampling_error=sampling_error(mean, experiment.test_examples) if experiment.test_examples else None,
        diverged=experiment.lost(arm, round),
        difference=0.0 if difference is None else difference.mean,
        interval=None if difference is None else difference.margin,
        retrained_difference=None if retrained is None else retrained.mean,
        retrained_interval=None if retrained is None else retrained.margin,
        retained=mean / dense_accuracy if dense_accuracy > 1e-9 else None,
        gap=None if gap is None else gap.paired.mean,
        gap_interval=None if gap is None else gap.paired.margin,
        early_stop=early.iteration,
        early_stop_at_end=early.censored,
        early_stop_ratio=early.ratio,
        early_stop_ratio_low=early.low,
        early_stop_ratio_high=early.high,
        early_stop_ratio_bound=early.bound,
        early_stop_accuracy=fmean(row["early_stop_test_accuracy"] for row in rows.values()),
        reaches_dense_at=fmean(reached) if reached else None,
        reaches_dense=len(reached),
        seconds=fmean(row["train_seconds"] for row in rows.values()),
        search_iterations=search.iterations,
        search_examples=search.examples,
        search_flops=search.flops,
        search_seconds=search.seconds,
        verdict="" if verdict is None else verdict.said,
        rivals="" if verdict is None else "+".join(experiment.rivals),
        verdict_seeds=0 if verdict is None else verdict.n,
        beats="" if gap is None else gap.said,
        controls_beaten=controls.count(Beats.yes) if controls else None,
        controls=len(controls) or None,
        seeds_to_tell=to_tell,
        baseline_difference=None if versus_it is None else versus_it.paired.mean,
        baseline_interval=None if versus_it is None else versus_it.paired.margin,
        baseline_verdict="" if versus_it is None else versus_it.said,
        tolerance=claims.tolerance,
        further={
            metric.column("test"): _mean([r[metric.column("test")] for r in rows.values()]) for metric in further()
        },
        keys=claims.keys,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None
