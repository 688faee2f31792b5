"""What the numbers of a comparison mean, in a few lines."""

from collections import Counter
from collections.abc import Iterator, Sequence

from lth_cli.core.arms import DENSE_RETRAINED, WINNING
from lth_cli.report.columns import COMPARE, Column
from lth_cli.results.compare import Row
from lth_cli.results.statistics import Beats, Verdict

_TOLD = {
    "test accuracy %": "test accuracy: at the end of training, ± standard deviation over seeds.",
    "acc. %": "acc.: test accuracy at the end of training, the mean over seeds.",
    "vs dense": "vs dense: points, seed by seed, ± half of the 95% interval.",
    "vs retrained": "vs retrained: the same to dense_retrained, the dense network trained as long as the tickets.",
    "ticket − it": "ticket − it: the same of the winning ticket minus this control.",
    "early stop": "early stop: iteration of minimum validation loss, and its ratio to dense with 95% interval; "
    "≥: still falling when training ended.",
    "reaches dense": "reaches dense: first iteration with no more validation loss than dense at its early stop.",
    "search": "search: all training of this experiment up to here, that of dense included.",
    "vs baseline": "vs baseline: points to the same arm and seed of the baseline, at the density that is nearest.",
    "verdict": "winning: the interval is above 0; matching: above −{0:g}; below: under −{0:g}; beaten: the ticket is "
    "above it by all of its interval; not beaten: by less than {0:g}; undecided (n): about n seeds, run at once, tell.",
}
_LONG = {column.short[0]: column.title for column in COMPARE if column.short is not None}


def legend(rows: Sequence[Row], columns: Sequence[Column]) -> list[str]:
    """Of these columns, and of what is special in these rows."""
    titles = {column.title if column.title in _TOLD else _LONG.get(column.title, column.title) for column in columns}
    return [*(told.format(rows[0].tolerance) for title, told in _TOLD.items() if title in titles), *_special(rows)]


def _special(rows: Sequence[Row]) -> Iterator[str]:
    if any(DENSE_RETRAINED in row.rivals for row in rows):
        yield "Where tickets go on from trained weights, a verdict is what holds against dense and dense_retrained."
    if any(row.arm == WINNING and not row.verdict for row in rows):
        yield "No verdict where tickets go on from trained weights, and no dense network was trained as long as they."
    if any(row.beats == Beats.less_trained for row in rows):
        yield "less trained: from fresh weights, where those of the ticket have all rounds before; no fair rival."
    if any(row.verdict == Verdict.one_seed for row in rows):
        yield "One seed decides nothing: replicates=5 gives it a spread."
    if max(Counter((row.run, row.arm) for row in rows if row.verdict).values(), default=1) > 1:
        yield "Verdicts are corrected for the rounds that are shown of an arm (Holm)."
    if any(row.diverged for row in rows):
        yield "Seeds that diverged are left out, and verdicts are of the others."
    errors = [row.sampling_error for row in rows if row.spread is not None and row.sampling_error is not None]
    spreads = [100 * row.spread for row in rows if row.spread is not None and row.sampling_error is not None]
    if larger := [error for error, spread in zip(errors, spreads, strict=True) if error > spread]:
        yield (
            f"The size of the test set gives accuracies a standard error of up to {max(larger):.2f} points, in some "
            "rows more than seeds do. All arms share it, and no interval or verdict has it."
        )
