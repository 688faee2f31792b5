"""What a run shows while it works: a live bar on a terminal, and one line per finished round."""

import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from lth_cli.core.masks import density as mask_density
from lth_cli.core.spelling import brief, clean
from lth_cli.report.table import density
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Fitted, Job

_REFRESH = 0.25  # seconds
_WIDEST = 2000  # characters of a line


class Display:
    """A context manager around a run; call it with the trainer's progress.

    Args:
        console: where to print; a live bar only if it is a terminal and `live`.
        live: false for the jobs of a sweep, whose bars would overwrite each other.
        prefix: of each line that is printed.
        rounds: of the run, without round 0.
        iterations: of all jobs of the run together.
    """

    def __init__(self, console: Console, live: bool, prefix: str, rounds: int, iterations: int) -> None:
        self.prefix, self.rounds = prefix, rounds
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            *([BarColumn(bar_width=20)] if console.width >= 110 else []),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (live and console.is_terminal),
            refresh_per_second=1 / _REFRESH,
        )
        self._task = self._progress.add_task("starting", total=iterations)
        self._finished, self._updated = 0, 0.0
        self._done: dict[str, int] = {}  # iterations of each job of the round
        self._latest = ""

    def __enter__(self) -> "Display":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, job: Job, done: int, evaluation: Evaluation | None) -> None:
        self._done[str(job)] = done
        if evaluation is not None:
            self._latest = f"loss {evaluation.train_loss:.3f} val {100 * evaluation.val_accuracy:.1f}%"
        now = time.monotonic()
        if self._progress.disable or now - self._updated < _REFRESH:
            return
        self._updated = now
        where = f"round {job.round}/{self.rounds} {job.arm} seed {job.seed} it {done}/{job.start.iterations}"
        completed = self._finished + sum(self._done.values())
        self._progress.update(self._task, description=f"{where} {self._latest}", completed=completed, refresh=True)

    def round(self, fitted: Sequence[Fitted], seconds: float) -> None:
        """One line: the mean over seeds of each arm."""
        self._finished, self._done = self._finished + sum(self._done.values()), {}
        arms: dict[str, list[float]] = defaultdict(list)
        for one in fitted:
            arms[one.job.arm].append(one.curve[-1].test_accuracy)
        first = fitted[0]
        accuracies = "  ".join(f"{arm} {100 * fmean(values):.2f}%" for arm, values in arms.items())
        where = f"round {first.job.round:>2}/{self.rounds}  density {density(mask_density(first.mask))}"
        self.say(f"{where}  {accuracies}  {seconds:.1f} s")

    def say(self, text: str) -> None:
        """Print one line above the bar."""
        self._progress.console.print(
            brief(clean(self.prefix + text), width=_WIDEST), highlight=False, soft_wrap=True, markup=False
        )
