"""The check of the learning curves: history has their end and minimum, and they are evaluated when they must be."""

import re
from collections.abc import Iterator, Mapping, Sequence

from lth_cli.core.arms import DENSE
from lth_cli.core.lengths import iterations
from lth_cli.results.checks.files import Files, NotKnown, where
from lth_cli.rundir import names
from lth_cli.rundir.columns import MEASURED
from lth_cli.rundir.names import Key
from lth_cli.rundir.tables import Row

_BEGINS = 2  # the format from which on a curve begins where training starts


def curves(files: Files) -> Iterator[str]:
    curves = files.table(names.CURVES)
    every, is_known = _eval_every(files, curves)
    if not is_known:
        yield NotKnown("eval_every: config.yaml has it in epochs, whose length cannot be told")
    older = _older(files)
    for key, row in zip(files.keys, files.run.history, strict=True):
        curve = curves[key]
        if not curve:
            yield f"{where(key)}: no curve"
            continue
        last, early = curve[-1], _early(curve)
        same = all(row[name] == last[name] for name in MEASURED)
        stop = (early["iteration"], early["test_accuracy"])
        if not same or (row["early_stop_iteration"], row["early_stop_test_accuracy"]) != stop:
            yield f"{where(key)}: history is not the end and the minimum of its curve"
        at = [point["iteration"] for point in _trained(curve)]
        start, begins = at[-1] - row["iterations"], len(at) < len(curve)
        due = range(start // every * every + every, at[-1], every) if every else at[:-1]
        other = begins and curve[0]["iteration"] != start
        if start < 0 or other or len(at) != len(due) + 1 or at[:-1] != list(due):  # which may be of any length
            yield f"{where(key)}: its curve is not of {row['iterations']:,} iterations, evaluated when config.yaml says"
        if not begins and key[0] < older:
            if files.run.record["format"] >= _BEGINS:
                yield NotKnown("where trainings start: curves of older rounds do not say")
            continue
        if not begins and row["iterations"] > 0:
            yield f"{where(key)}: its curve does not begin where training starts"
        elif dense := curves.get((0, DENSE, key[2])):
            says, reached = row["reaches_dense_at"], _reaches(curve, _early(dense)["val_loss"])
            if says != reached:
                yield f"{where(key)}: history says that it reaches dense at {says}, its curve at {reached}"


def _older(files: Files) -> float:
    """Rounds before this one are of a format whose curves begin later, or may be, as far as run.json tells."""
    if files.run.record["format"] < _BEGINS:
        return float("inf")
    went_on = files.run.record.get("resumed", [])
    return max((one["round"] for one in went_on if one.get("was", {"format": 1}).get("format", 2) < _BEGINS), default=0)


def _trained(curve: Sequence[Row]) -> Sequence[Row]:
    """A learning curve without the point where training starts, which older runs do not have."""
    return curve[1:] if len(curve) > 1 and curve[0]["train_loss"] is None else curve


def _early(curve: Sequence[Row]) -> Row:
    """As `Fitted.early_stop`."""
    return min(_trained(curve), key=lambda point: float(point["val_loss"]))


def _reaches(curve: Sequence[Row], val_loss: float) -> int | None:
    """As `Fitted.reaches`."""
    return next((point["iteration"] for point in curve if point["val_loss"] <= val_loss), None)


def _eval_every(files: Files, curves: Mapping[Key, Sequence[Row]]) -> tuple[int, bool]:
    """How many iterations lie between evaluations, 0 where nothing tells it, and whether that is known.

    Where they are epochs of a length that training does not tell, the dense networks do: those that were evaluated at
    their end only say that no arm, none of which goes further, was evaluated before.
    """
    text, train = str(files.run.config.get("eval_every")), files.run.config.get("train")
    total = files.run.record.get("iterations")
    length = re.fullmatch(r"([1-9][0-9]{0,5})ep", str(train.get("iterations") if isinstance(train, Mapping) else ""))
    if re.fullmatch(r"[1-9][0-9]{0,12}it", text):
        return int(text[:-2]), True
    if length and total and total % int(length[1]) == 0 and re.fullmatch(r"[0-9.]{1,13}ep", text):
        return max(1, iterations(text, total // int(length[1]))), True
    dense = [_trained(curves[key]) for key in files.keys if key[1] == DENSE and curves[key]]
    several = [int(curve[0]["iteration"]) for curve in dense if len(curve) > 1]
    return next(iter(several), max((int(curve[-1]["iteration"]) for curve in dense), default=0)), bool(several)
