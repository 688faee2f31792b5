"""Learning curves of rows that train together, each until it diverges."""

import math
from collections.abc import Sequence

from lth_cli.training.evaluate import Evaluation
from lth_cli.training.hooks import Hooks
from lth_cli.training.jobs import Job


class Diverged(RuntimeError):
    """A loss is no longer finite."""


class Curves:
    """The evaluations of each row, and the rows that have diverged, which get no more of them."""

    def __init__(self, jobs: Sequence[Job], hooks: Hooks) -> None:
        self.jobs, self.hooks = jobs, hooks
        self.rows: list[list[Evaluation]] = [[] for _ in jobs]
        self.diverged: set[int] = set()

    def add(self, row: int, point: Evaluation) -> None:
        """To the curve of a row, unless one of its losses is NaN or infinite.

        Raises:
            Diverged: it is, and `hooks.diverged` does not want to know.
        """
        if row in self.diverged:
            return
        losses = {"training": point.train_loss, "validation": point.val_loss, "test": point.test_loss}
        broken = [f"{name} loss is {loss}" for name, loss in losses.items() if not math.isfinite(loss or 0)]
        if not broken:
            self.rows[row].append(point)
            return
        what = f"{self.jobs[row]}: the {broken[0]} at iteration {point.iteration}; try a lower train.lr"
        if self.hooks.diverged is None:
            raise Diverged(what)
        self.hooks.diverged(self.jobs[row], what)
        self.diverged.add(row)

    @property
    def ended(self) -> bool:
        """Whether every row has diverged."""
        return len(self.diverged) == len(self.jobs)

    def restore(self, rows: list[list[Evaluation]], diverged: Sequence[int]) -> None:
        """Go on with the curves of an earlier process."""
        self.rows, self.diverged = rows, set(diverged)
