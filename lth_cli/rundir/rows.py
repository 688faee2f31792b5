"""A trained job <-> its rows in the tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lth_cli.core import masks
from lth_cli.rundir import names
from lth_cli.rundir.tables import Row, lines
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Fitted, Job


def of_round(fitted: Sequence[Fitted], dense: Mapping[int, float]) -> dict[str, bytes]:
    """The rows of a round, as text, in each table.

    Args:
        dense: the early-stop validation loss of the dense network, by seed.
    """
    rows: dict[str, Iterable[Row]] = {
        names.CURVES: [row for one in fitted for row in _curve_rows(one)],
        names.LAYERS: [row for one in fitted for row in _layer_rows(one)],
        names.HISTORY: [history_row(one, dense.get(one.job.seed)) for one in fitted],
    }
    return {table: lines(table, of_table) for table, of_table in rows.items()}


def history_row(fitted: Fitted, dense: float | None) -> Row:
    """The row of history.csv of one arm, whose dense network has that early-stop validation loss, if it is known."""
    job, last, early = fitted.job, fitted.curve[-1], fitted.early_stop
    remaining, total = masks.remaining(fitted.mask), masks.total(fitted.mask)
    return {
        **_key(job),
        "density": masks.density(fitted.mask),
        "sparsity": (total - remaining) / total,
        "remaining": remaining,
        "total": total,
        "iterations": job.start.iterations,
        **last.cells("test"),
        **last.cells("val"),
        "early_stop_iteration": early.iteration,
        "early_stop_test_accuracy": early.test_accuracy,
        "train_seconds": round(fitted.seconds, 3),
        # What was restored may have taken 0.000 seconds.
        "examples_per_second": round(fitted.examples / fitted.seconds, 1) if fitted.seconds else 0.0,
        "reaches_dense_at": None if dense is None else fitted.reaches(dense),
    }


def restored_curve(rows: Iterable[Row]) -> list[Evaluation]:
    """The learning curve of an arm, from its rows of curves.csv."""
    return [Evaluation.from_flat(row) for row in rows]


def restored_times(row: Mapping[str, Any]) -> tuple[float, int]:
    """The seconds of an arm's training, and the examples that it saw in them, from its row of history.csv."""
    return row["train_seconds"], round(row["train_seconds"] * row["examples_per_second"])


def _curve_rows(fitted: Fitted) -> Iterator[Row]:
    return ({**_key(fitted.job), **point.flat()} for point in fitted.curve)


def _layer_rows(fitted: Fitted) -> Iterator[Row]:
    for name, remaining in masks.layer_counts(fitted.mask).items():
        yield {**_key(fitted.job), "layer": name, "remaining": remaining, "total": fitted.mask[name].numel()}


def _key(job: Job) -> Row:
    return {"round": job.round, "arm": job.arm, "seed": job.seed}
