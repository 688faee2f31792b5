"""Trained networks read back from the disk."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from lth_cli.core import masks
from lth_cli.core.state import Mask, Params, State
from lth_cli.lottery.invariants import InvariantError
from lth_cli.rundir.kept import Kept
from lth_cli.rundir.read import CURVES, HISTORY, UNREADABLE, Damaged, parse_table
from lth_cli.training.evaluate import Evaluation
from lth_cli.training.jobs import Fit, Fitted, Job

Key = tuple[int, str, int]  # round, arm, seed


def answer_from_disk(kept: Kept, fit: Fit) -> Fit:
    """A trainer that has the rounds that are kept already, and trains the others.

    An arm that is not on disk diverged when its round was trained, and has no result now.

    Raises:
        InvariantError: a mask on disk is not the one of its job.
        Damaged: a state on disk is not of its job's network.
    """
    curves, history = _rows(kept, "curves.csv", CURVES), _rows(kept, "history.csv", HISTORY)

    def restored(job: Job) -> Fitted:
        key = (job.round, job.arm, job.seed)
        folder = kept.path / "rounds" / f"{job.round:02d}"
        file = folder / f"{job.arm}_seed{job.seed}.safetensors"
        mask, state = unpack(file)
        if _shapes(state) != _shapes(job.start.state) or _shapes(State(mask, {})) != _shapes(State(job.mask, {})):
            raise Damaged(f"{file}: a state of another network")
        if job.learner is None and not masks.equal(mask, job.mask):
            where = f"round {job.round}, {job.arm}, seed {job.seed}"
            raise InvariantError(f"{where}: the mask on disk is not the one that this version of lth makes")
        saved = unpack(folder / f"rewind_seed{job.seed}.safetensors")[1] if job.save_at is not None else None
        if key not in curves:
            raise Damaged(f"{kept.path / 'curves.csv'}: nothing of round {job.round}, {job.arm}, seed {job.seed}")
        curve = [Evaluation(**{column: row[column] for column in list(CURVES)[3:]}) for row in curves[key]]
        seconds = history[key][0]["train_seconds"]
        examples = round(seconds * history[key][0]["examples_per_second"])
        mask = {name: mask[name] for name in job.mask}  # the order of layers decides ties
        return Fitted(job, mask, state, saved, curve, seconds, examples)

    def answer(jobs: Sequence[Job]) -> list[Fitted | None]:
        if jobs[0].round >= kept.rounds:
            return fit(jobs)
        return [restored(job) if (job.round, job.arm, job.seed) in history else None for job in jobs]

    return answer


def unpack(file: Path) -> tuple[Mask, State]:
    """Mask and state of one safetensors file of a round; no code in it can run.

    Raises:
        Damaged: it is no such file.
    """
    try:
        tensors = safetensors.torch.load_file(file)
    except (*UNREADABLE, safetensors.SafetensorError) as error:
        raise Damaged(f"{file}: {str(error)[:80]}") from None

    def part(name: str) -> Params:
        return {key.removeprefix(f"{name}/"): t for key, t in tensors.items() if key.startswith(f"{name}/")}

    return part("mask"), State(part("params"), part("buffers"))


def _rows(kept: Kept, table: str, columns: Mapping[str, type]) -> dict[Key, list[dict[str, Any]]]:
    found: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    try:
        rows = parse_table(",".join(columns) + "\n" + kept.tables[table].decode(), columns)
    except UNREADABLE as error:
        raise Damaged(f"{kept.path / table}: {str(error)[:80]}") from None
    for row in rows:
        found[row["round"], row["arm"], row["seed"]].append(row)
    return dict(found)


def _shapes(state: State) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (t.shape, t.dtype) for name, t in {**state.params, **state.buffers}.items()}
