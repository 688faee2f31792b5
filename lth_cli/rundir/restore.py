"""Trained networks read back from the disk."""

from collections.abc import Sequence
from pathlib import Path

import torch

from lth_cli.core import masks
from lth_cli.core.arms import DENSE, OWN, WINNING
from lth_cli.core.state import Mask, State
from lth_cli.core.tensors import load, misfit, unpack
from lth_cli.lottery.invariants import InvariantError
from lth_cli.rewind import Moments
from lth_cli.rundir import names, within
from lth_cli.rundir.columns import FORMAT
from lth_cli.rundir.damaged import UNREADABLE, Damaged, why
from lth_cli.rundir.intact import Intact
from lth_cli.rundir.names import Key
from lth_cli.rundir.rows import restored_curve, restored_times
from lth_cli.rundir.tables import Row, by_key, header
from lth_cli.training import moments
from lth_cli.training.jobs import Fit, Fitted, Job
from lth_cli.training.optimizers import Recipe


def answer_from_disk(intact: Intact, fit: Fit) -> Fit:
    """A trainer that has the rounds that are intact already, and trains the others.

    Of those rounds, an arm that diverged has no result now, nor has one whose ticket did. Any other that is not on disk
    was trained to find a ticket, and is trained again.

    Raises:
        InvariantError: a mask on disk is not the one of its job.
        Damaged: a state on disk is not of its job's network.
    """
    curves, history = _rows(intact, names.CURVES), _rows(intact, names.HISTORY)
    diverged = {(one["round"], one["arm"], one["seed"]) for one in intact.record.get("diverged", [])}

    def lost(job: Job) -> bool:
        arms = (job.arm, DENSE, WINNING)
        return _key(job) not in history and not any((job.round, arm, job.seed) in diverged for arm in arms)

    def restored(job: Job) -> Fitted:
        key = _key(job)
        mask, state = _network(intact.path, names.state(key), job)
        saved = read_state(intact.path, names.rewind(job.seed))[1] if job.save_at is not None else None
        if key not in curves:
            raise Damaged(f"{intact.path / names.CURVES}: nothing of {job}")
        curve, (seconds, examples) = restored_curve(curves[key]), restored_times(history[key][0])
        return Fitted(job, mask, state, saved, curve, seconds, examples)

    def answer(jobs: Sequence[Job]) -> list[Fitted | None]:
        if jobs[0].round >= intact.rounds:
            return fit(jobs)
        again = [job for job in jobs if lost(job)]
        trained = iter(fit(again) if again else [])
        return [next(trained) if lost(job) else restored(job) if _key(job) in history else None for job in jobs]

    return answer


def with_moments(intact: Intact, which: Moments, recipe: Recipe) -> Intact:
    """What is intact before the first state that lacks what the optimizer remembers, where tickets restart with that.

    Args:
        which: the states that they restart from.

    Raises:
        Damaged: a state cannot be read.
    """
    for name in sorted(name for files in intact.manifest.states().values() for name in files if which is not None):
        key = names.key_of(name)
        if key is not None and (names.is_rewind(name) if which == "saved" else key[1] in OWN):
            _, state = read_state(intact.path, name)
            if text := moments.wrong(state.moments, state.params, recipe.optimizer, recipe.momentum):
                return intact.upto(key[0], f"{name}: {text}")
    return intact


def read_state(root: Path, name: str) -> tuple[Mask, State]:
    """Mask and state of one file of a round; no code in it can run.

    Raises:
        Damaged: it is no such file.
    """
    try:
        with within.opened(root, name) as file:
            mask, state = unpack(load(file)[1])
    except UNREADABLE as error:
        raise Damaged(f"{root / name}: {why(root / name, error)}") from None
    if (wrong := misfit(mask, state.params)) is not None:  # a mask of another shape may stand for any number of weights
        raise Damaged(f"{root / name}: the mask of {wrong[:40]} is not of its shape")
    return mask, state


def _network(root: Path, name: str, job: Job) -> tuple[Mask, State]:
    """Mask, in the order of the job's, and state of a job that is on disk."""
    mask, state = read_state(root, name)
    if _shapes(state) != _shapes(job.start.state) or _shapes(State(mask, {})) != _shapes(State(job.mask, {})):
        raise Damaged(f"{root / name}: a state of another network")
    if job.learner is None and not masks.equal(mask, job.mask):
        raise InvariantError(f"{job}: the mask on disk is not the one that this version of lth makes")
    return {name: mask[name] for name in job.mask}, state


def _rows(intact: Intact, table: str) -> dict[Key, list[Row]]:
    try:
        return by_key((header(table) + intact.tables[table]).decode(), table, FORMAT)
    except UNREADABLE as error:
        raise Damaged(f"{intact.path / table}: {str(error)[:80]}") from None


def _key(job: Job) -> Key:
    return job.round, job.arm, job.seed


def _shapes(state: State) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (t.shape, t.dtype) for name, t in {**state.params, **state.buffers}.items()}
