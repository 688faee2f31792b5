"""What a run shows while it works: a live bar on a terminal, and one line per finished round."""

import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from lth_cli.core.masks import density as mask_density
from lth_cli.core.spelling import brief, clean
from lth_cli.report.numbers import density
from lth_cli.report.sweep import Place, clock
from lth_cli.report.terminal import is_watched
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Fitted, Job

_REFRESH = 0.25  # seconds
_WIDEST = 2000  # characters of a line


class Display:
    """A context manager around a run; call it with the trainer's progress.

    Args:
        console: where to print; a live bar only if it is a terminal and `live`.
        live: false in the worker processes of a sweep, whose bars would overwrite each other.
        place: in a sweep, or None.
        rounds: of the run, without round 0.
        iterations: of all jobs of the run together.
    """

    def __init__(self, console: Console, live: bool, place: Place | None, rounds: int, iterations: int) -> None:
        self.place, self.rounds = place, rounds
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column()),
            *([BarColumn(bar_width=20)] if console.width >= 110 else []),
            TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
            disable=not (live and is_watched(console)),
            refresh_per_second=1 / _REFRESH,
        )
        self._sweep: TaskID | None = None
        if place is not None:
            self._sweep = self._progress.add_task(str(place), total=place.jobs, completed=place.ended, left="")
        self._job = self._progress.add_task("starting", total=iterations, left="")
        self._finished, self._updated = 0, 0.0
        self._done: dict[str, int] = {}  # iterations of each job of the round
        self._latest = ""

    def __enter__(self) -> "Display":
        self._progress.start()
        if self._progress.disable and self.place is not None and (left := self.place.left()):
            self.say(f"{left} left of the sweep")
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
        self._progress.update(self._job, description=f"{where} {self._latest}", completed=completed)
        seconds = next(task.time_remaining for task in self._progress.tasks if task.id == self._job)
        if self.place is not None and self._sweep is not None:
            self._progress.update(self._sweep, left=_left(self.place.left(seconds)))
        self._progress.update(self._job, left=_left("" if seconds is None else clock(seconds)), refresh=True)

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
        prefix = "" if self.place is None else f"{self.place}: "
        line = brief(clean(prefix + text), width=_WIDEST)
        self._progress.console.print(line, highlight=False, markup=False)


def _left(time: str) -> str:
    return time and f"left {time}"
