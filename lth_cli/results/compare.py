"""Run records -> groups -> rows with statistics over seeds. Pure: no disk, no terminal."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from lth_cli.core.arms import DENSE, WINNING
from lth_cli.core.metrics import further
from lth_cli.results.cost import cost
from lth_cli.results.early_stop import early_stop
from lth_cli.results.experiments import experiments, identity
from lth_cli.results.rivals import Experiment, Held, Place, beaten_in, judged_in
from lth_cli.results.statistics import Beats, sampling_error
from lth_cli.rundir.read import Run


@dataclass(frozen=True)
class Row:
    """One arm at one round of one experiment, over its seeds.

    Accuracies and densities are fractions in [0, 1], differences are percentage points.

    Args:
        run: the name of the experiment.
        seeds: how many.
        remaining: prunable weights that are kept, of `total`.
        parameters_kept: all parameters but the pruned ones, of `parameters`.
        accuracy: on test at the end of training, the mean over seeds.
        spread: its standard deviation over seeds; None for one seed.
        sampling_error: the standard error of `accuracy` that the size of the test set makes; None where it is unknown.
        baseline: the arm that the verdict is against: dense, or dense_retrained where tickets go on from trained
            weights. Empty for that arm itself, and where it was not trained.
        difference: of the accuracy to that of the baseline, or without one to dense, seed by seed.
        interval: half of its 95% Student interval; None for one seed.
        retained: `accuracy` over that of dense; None where dense has none right.
        gap: the winning ticket of the same round and seed minus this control; None of lth's own arms.
        gap_interval: half of its 95% interval.
        early_stop: see `early_stop.EarlyStop`, as for the four that follow.
        early_stop_accuracy: on test, at that iteration.
        seconds: of this training.
        search_iterations: of all training that it takes to come here, as for the three that follow; see `cost.Cost`.
        verdict: a `Verdict` of `difference`; empty without a baseline.
        beats: whether the winning ticket beats this control, a `Beats`; empty of lth's own arms.
        controls_beaten: of a ticket, how many of its controls it beats; None of other arms, or without controls.
        controls: of a ticket, how many it has.
        seeds_to_tell: of a control, how many seeds would tell whether it is beaten; of another arm, how many would
            decide its verdict. None where that is decided, or nobody knows.
        tolerance: points below the baseline up to which an arm is matching.
        further: the means over seeds of the metrics beside loss and accuracy, on test, by column; None where a run is
            older than the metric.
    """

    run: str
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
    baseline: str
    difference: float
    interval: float | None
    retained: float | None
    gap: float | None
    gap_interval: float | None
    early_stop: float
    early_stop_at_end: bool
    early_stop_ratio: float | None
    early_stop_ratio_interval: float | None
    early_stop_ratio_bound: str
    early_stop_accuracy: float
    seconds: float
    search_iterations: float
    search_examples: float | None
    search_flops: float | None
    search_seconds: float
    verdict: str
    beats: str
    controls_beaten: int | None
    controls: int | None
    seeds_to_tell: int | None
    tolerance: float
    further: dict[str, float | None]


def compare(runs: Sequence[Run], tolerance: float = 1.0, every_round: bool = False) -> list[Row]:
    """A row per experiment and arm: dense, then each arm at the last round (or at each) that trained it.

    Runs whose configs differ only in seeds are one experiment. A seed that was run twice counts once, the later run.
    Of a control that was drawn several times, a seed has the mean.
    The verdicts of an arm are corrected for the rounds that are shown of it.

    Args:
        tolerance: points below its baseline up to which an arm is matching.
    """
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[identity(run)].append(run)
    names = experiments([members[0] for members in groups.values()])
    found = (Experiment.of_runs(*named, every_round) for named in zip(names, groups.values(), strict=True))
    return [row for experiment in found for row in _rows(experiment, tolerance)]


def _rows(experiment: Experiment, tolerance: float) -> Iterator[Row]:
    judged, beaten = judged_in(experiment, tolerance), beaten_in(experiment, tolerance)
    for arm, round in experiment.shown:
        yield _row(experiment, arm, round, judged, beaten, tolerance)


def _row(
    experiment: Experiment,
    arm: str,
    round: int,
    judged: Mapping[Place, Held],
    beaten: Mapping[Place, Held],
    tolerance: float,
) -> Row:
    rows, dense, record = experiment.of(arm, round), experiment.of(DENSE, 0), experiment.record
    first = next(iter(rows.values()))
    accuracy = [row["test_accuracy"] for row in rows.values()]
    mean = fmean(accuracy)
    parameters = record.get("parameters", first["total"])
    examples = record.get("test_examples")
    dense_accuracy = fmean(dense[seed]["test_accuracy"] for seed in rows)
    early = early_stop(rows, dense)
    batch, flops = experiment.config.get("train", {}).get("batch_size"), record.get("flops_per_example")
    search = cost(experiment.cells, arm, round, list(rows), batch, flops)
    verdict, gap = judged.get((arm, round)), beaten.get((arm, round))
    difference = experiment.against(arm, round, DENSE) if verdict is None else verdict.paired
    assert difference is not None  # every seed that is shown has a dense network
    controls = [held.said for (_, k), held in beaten.items() if k == round] if arm == WINNING else []
    to_tell = next((held.seeds_to_tell for held in (gap, verdict) if held is not None), None)
    return Row(
        run=experiment.name,
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
        sampling_error=sampling_error(mean, examples) if examples else None,
        baseline="" if verdict is None else experiment.rival,
        difference=difference.mean,
        interval=difference.margin,
        retained=mean / dense_accuracy if dense_accuracy > 1e-9 else None,
        gap=None if gap is None else gap.paired.mean,
        gap_interval=None if gap is None else gap.paired.margin,
        early_stop=early.iteration,
        early_stop_at_end=early.censored,
        early_stop_ratio=early.ratio,
        early_stop_ratio_interval=early.interval,
        early_stop_ratio_bound=early.bound,
        early_stop_accuracy=fmean(row["early_stop_test_accuracy"] for row in rows.values()),
        seconds=fmean(row["train_seconds"] for row in rows.values()),
        search_iterations=search.iterations,
        search_examples=search.examples,
        search_flops=search.flops,
        search_seconds=search.seconds,
        verdict="" if verdict is None else verdict.said,
        beats="" if gap is None else gap.said,
        controls_beaten=controls.count(Beats.yes) if controls else None,
        controls=len(controls) or None,
        seeds_to_tell=to_tell,
        tolerance=tolerance,
        further={
            metric.column("test"): _mean([r[metric.column("test")] for r in rows.values()]) for metric in further()
        },
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None
