"""The training loop, over one job or several that stack; an executor decides which jobs run together."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from lth_cli.core.seeds import generator
from lth_cli.core.state import State
from lth_cli.datasets.dataset import Dataset, Examples, Split
from lth_cli.rewind import Moments
from lth_cli.training import moments
from lth_cli.training.curves import Curves
from lth_cli.training.evaluate import Evaluation, evaluate
from lth_cli.training.feed import Resident, feed
from lth_cli.training.hooks import Hooks
from lth_cli.training.jobs import Fitted, Job
from lth_cli.training.networks import Build, network_of
from lth_cli.training.optimizers import Recipe, make_optimizer, rate
from lth_cli.training.order import epoch_order
from lth_cli.training.progress import Progress, fits, put_back, take
from lth_cli.training.scored import Scored
from lth_cli.training.step import Step, captured


@dataclass(frozen=True)
class Trainer:
    """Trains on one device.

    Args:
        build: makes an uninitialised network.
        data: the three splits; those in memory, in that of `device`.
        recipe: how to train.
        eval_every: evaluate at iterations that are a multiple of this, and at the end of training.
        device: where to train.
        bf16: run forward passes in bfloat16, weights staying float32.
        fixed_order: whether all rounds of a seed have the data order, and the noise of dropout, of round 0; else each
            has its own, and shares it among its arms.
        moments: which states come with the optimizer's moments: those that are saved on the way, those at the end, or
            neither.
        hooks: who follows the training.
    """

    build: Build
    data: Dataset
    recipe: Recipe
    eval_every: int
    device: torch.device
    bf16: bool
    fixed_order: bool = False
    moments: Moments = None
    hooks: Hooks = field(default_factory=Hooks)

    def train(self, jobs: Sequence[Job]) -> list[Fitted | None]:
        """Train one job, or several that start at the same position and are equally long, as a stack.

        Returns:
            Their results in order, None for one that diverged.

        Raises:
            Diverged: a loss is NaN or infinite, and `hooks.diverged` does not want to know.
        """
        # Layers that draw from the global generator get the job's own, and it is put back.
        with torch.random.fork_rng([self.device.index or 0] if self.device.type == "cuda" else []):
            torch.manual_seed(self.noise_of(jobs[0]))
            return _Training(self, jobs).run()

    def order_of(self, job: Job) -> tuple[int, int]:
        """What names the data order and the noise of a job: a seed and a round."""
        return job.seed, 0 if self.fixed_order else job.round

    def noise_of(self, job: Job) -> int:
        """What dropout draws from at the start of the data order."""
        return generator(job.seed, "noise", self.order_of(job)[1]).initial_seed() % 2**62

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which forward passes run."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()


class _Training:
    """One training under way."""

    def __init__(self, trainer: Trainer, jobs: Sequence[Job]) -> None:
        self.trainer, self.jobs, self.start, self.learner = trainer, jobs, jobs[0].start, jobs[0].learner
        network = network_of(trainer.build, jobs, trainer.device)
        self.rows = network if self.learner is None else Scored(network, jobs, self.learner)
        # The noise of an iteration does not depend on where training started.
        noise = torch.tensor([trainer.noise_of(job) + job.start.order for job in jobs], device=trainer.device)
        self.optimizer = make_optimizer(trainer.recipe, list(self.rows.params.values()))
        if self.learner is None:
            moments.put(self.rows, self.optimizer, jobs)
        batches = feed(trainer.data.train, trainer.device, jobs)
        self.step = Step(self.rows, batches, self.optimizer, trainer.autocast, noise, trainer.hooks.scope)
        self.done, self.since = 0, 0
        self.curves = Curves(jobs, trainer.hooks)
        self.saved: list[State | None] = [None for _ in jobs]

    def run(self) -> list[Fitted | None]:
        self.began = time.perf_counter()
        if not self._resume() and self.jobs[0].save_at == 0:
            self._save()
        if self.done == 0:
            self._evaluate(self.start.order)
        advance: Callable[[], None] | None = None
        while self.done < self.start.iterations and not self.curves.ended:
            self._begin_epoch(resumed=advance is None)
            advance = advance or self._whole_step()
            advance()
            self.done, self.since = self.done + 1, self.since + 1
            if self.done == self.jobs[0].save_at:
                self._save()
            self._report()
            self._keep()
        seconds = (time.perf_counter() - self.began) / len(self.jobs)
        return [None if row in self.curves.diverged else self._fitted(row, seconds) for row in range(len(self.jobs))]

    def _fitted(self, row: int, seconds: float) -> Fitted:
        examples = self.start.iterations * self.trainer.recipe.batch_size
        mask, state = self.rows.mask(row), self._state(row, "trained")
        return Fitted(self.jobs[row], mask, state, self.saved[row], self.curves.rows[row], seconds, examples)

    def _begin_epoch(self, resumed: bool) -> None:
        """Load order and learning rates where an epoch, or this training, begins."""
        train, recipe = self.trainer.data.train, self.trainer.recipe
        epoch, at = divmod(self.start.order + self.done, len(train) // recipe.batch_size)
        if at != 0 and not resumed:
            return
        orders = [
            epoch_order(*self.trainer.order_of(job), epoch, len(train), recipe.batch_size, self.trainer.device)
            for job in self.jobs
        ]
        first = self.start.schedule + self.done - at
        factor = 1.0 if self.learner is None else self.learner.lr_factor
        rates = [factor * rate(recipe, self.start, max(0, first + i)) for i in range(len(orders[0]))]
        self.step.load(torch.stack(orders, dim=1), rates, at)

    def _whole_step(self) -> Callable[[], None]:
        """The step, as a CUDA graph where all of it happens on a GPU and nobody asks for its parts."""
        whole = self.trainer.device.type == "cuda" and isinstance(self.step.feed, Resident)
        return captured(self.step) if whole and self.trainer.hooks.scope is nullcontext else self.step

    def _report(self) -> None:
        """Evaluate when it is due, and tell who watches now and then."""
        iteration = self.start.order + self.done
        due = iteration % self.trainer.eval_every == 0 or self.done == self.start.iterations
        if due:
            self._evaluate(iteration)
        if due or self.done % 10 == 0:
            for row, job in enumerate(self.jobs):
                if row not in self.curves.diverged:
                    self.trainer.hooks.watch(job, self.done, self.curves.rows[row][-1] if due else None)

    def _evaluate(self, iteration: int) -> None:
        forward = self.rows.evaluated()

        def logits(x: Tensor) -> Tensor:
            with self.trainer.autocast():
                return forward(x)

        data, device = self.trainer.data, self.trainer.device
        with self.trainer.hooks.scope("evaluation"):
            val, test = (evaluate(logits, split, device) for split in (data.val, data.test))
            if self.since:
                losses = (self.step.loss / self.since).tolist()
            elif self.start.iterations:  # where training starts
                losses = [None] * self.rows.rows
            else:  # nothing is trained
                losses = [row["loss"] for row in evaluate(logits, data.train, device)]
        for row, point in enumerate(zip(losses, val, test, strict=True)):
            self.curves.add(row, Evaluation(iteration, *point))
        self.step.loss.zero_()
        self.since = 0

    def _save(self) -> None:
        self.saved = [self._state(row, "saved") for row in range(self.rows.rows)]

    def _state(self, row: int, which: str) -> State:
        state = self.rows.state(row)
        if self.trainer.moments != which or self.learner is not None:
            return state
        return replace(state, moments=moments.taken(self.rows, self.optimizer, row))

    def _keep(self) -> None:
        """Keep what is under way when that is due, and at the latest when it is asked to stop."""
        checkpoints, signals = self.trainer.hooks.checkpoints, self.trainer.hooks.signals
        if checkpoints is None:
            return
        if signals.asked_to_stop() or checkpoints.due(self.jobs, self.done):
            seconds, diverged = time.perf_counter() - self.began, sorted(self.curves.diverged)
            tensors = take(self.step.written(), self.saved)
            progress = Progress(self.done, self.since, seconds, self.curves.rows, diverged, tensors)
            checkpoints.save(self.jobs, progress)
            signals.stop_if_asked()

    def _resume(self) -> bool:
        """Go on from what is kept of these jobs, if it is."""
        hooks = self.trainer.hooks
        before = hooks.checkpoints.load(self.jobs) if hooks.checkpoints is not None else None
        # What had diverged, where that was to be left out, must diverge again where it stops the run.
        if before is None or (before.diverged and hooks.diverged is None):
            return False
        written = self.step.written()
        if not fits(before, self.jobs, written, self.trainer.eval_every):
            return False
        try:
            put_back(before.tensors, written, self.saved)
        except RuntimeError:  # no state of a generator
            return False
        self.done, self.since = before.done, before.since
        self.began -= before.seconds
        self.curves.restore(before.curves, before.diverged)
        return True


def to_device(data: Dataset, device: torch.device) -> Dataset:
    """The same data set; what is in memory, in the device's, images channels-last."""

    def move(split: Examples) -> Examples:
        if not isinstance(split, Split):
            return split
        return Split(split.images.to(device).contiguous(memory_format=torch.channels_last), split.labels.to(device))

    return Dataset(move(data.train), move(data.val), move(data.test), data.classes)
