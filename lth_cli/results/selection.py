"""Which runs, rounds and rows a comparison shows."""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lth_cli.core.arms import DENSE, WINNING
from lth_cli.core.spelling import nearest
from lth_cli.results.compare import Row
from lth_cli.results.experiment import Experiment
from lth_cli.results.experiments import identity
from lth_cli.rundir.config import flat
from lth_cli.rundir.read import Run
from lth_cli.rundir.sameness import same_experiment

_CONDITION = re.compile(r"([\w.]+)(>=|<=|!=|=|>|<)(.+)")
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
    "=": lambda a, b: math.isclose(a, b, rel_tol=1e-9), "!=": lambda a, b: not math.isclose(a, b, rel_tol=1e-9),
}  # fmt: skip
_OF_ROWS: dict[str, Callable[[Row], float]] = {
    "density": lambda row: row.density,
    "sparsity": lambda row: 1 - row.density,
    "round": lambda row: row.round,
    "seeds": lambda row: row.seeds,
    "accuracy": lambda row: row.accuracy,
}


@dataclass(frozen=True)
class Condition:
    """One of ``rewind=late sparsity>=0.9``."""

    key: str
    sign: str
    value: str

    @property
    def number(self) -> float | None:
        try:
            return float(self.value)
        except ValueError:
            return None

    @property
    def of_rows(self) -> bool:
        """Whether it is asked of each row, and not of a run: its density, round, seeds or accuracy."""
        return self.key in _OF_ROWS and self.number is not None

    def holds(self, there: Any) -> bool:
        """Of a value: as numbers where both are, as text where it is only to be equal or not."""
        number = self.number
        if number is not None and isinstance(there, int | float) and not isinstance(there, bool):
            with suppress(OverflowError):  # of a whole number that is none of ours
                return _COMPARED[self.sign](there, number)
            return False
        if self.sign not in ("=", "!="):
            return False
        return (str(there).lower() == self.value.lower()) == (self.sign == "=")


def conditions(text: str) -> list[Condition]:
    """From ``rewind=late sparsity>=0.9``: all must hold. Raises ValueError."""
    found = [_CONDITION.fullmatch(word) for word in text.split()]
    if not found or None in found:
        raise ValueError(f"--where {text}: conditions such as 'rewind=late train.lr<=1e-3 sparsity>=0.9'")
    return [Condition(*one.groups()) for one in found if one is not None]


def runs_where(runs: Sequence[Run], asked: Sequence[Condition]) -> list[Run]:
    """The runs of which all conditions hold: of their choices, or of a key of their config.

    Raises:
        ValueError: a key that no run has.
    """
    of_runs = [one for one in asked if not one.of_rows]
    known = [_values(run) for run in runs] if of_runs else [{} for _ in runs]
    for one in of_runs:
        if runs and not any(one.key in values for values in known):
            keys = sorted({key for values in known for key in values})
            raise ValueError(f"--where {one.key}: no run has that key{nearest(one.key, keys)}")
    return [
        run
        for run, values in zip(runs, known, strict=True)
        if all(one.key in values and one.holds(values[one.key]) for one in of_runs)
    ]


def rows_where(rows: Sequence[Row], asked: Sequence[Condition], arms: Sequence[str]) -> list[Row]:
    """The rows of which all conditions hold, of these arms, or of all; dense stays beside what is held against it.

    Raises:
        ValueError: an arm that no row has.
    """
    there = {row.arm for row in rows}
    for arm in arms:
        if arm not in there:
            raise ValueError(f"--arms {arm}: there are {', '.join(sorted(there))}{nearest(arm, there)}")
    of_rows = [one for one in asked if one.of_rows]
    return [
        row
        for row in rows
        if (row.arm in arms or not arms)
        and (row.arm == DENSE or all(one.holds(_OF_ROWS[one.key](row)) for one in of_rows))
    ]


def check_keys(experiments: Sequence[Experiment], keys: Sequence[str]) -> None:
    """That experiments can be told apart by these keys.

    Raises:
        ValueError: no experiment has one, or the runs of one experiment may differ in it.
    """
    for key in keys:
        if same_experiment(key):
            raise ValueError(f"--by {key}: runs that differ in it alone are one experiment")
        if experiments and all(one.value(key) is None for one in experiments):
            known = {name for one in experiments for name in (*one.config, *dict(flat(one.config)))}
            raise ValueError(f"--by {key}: no run has that key{nearest(key, sorted(known))}")


def baseline_of(experiments: Sequence[Experiment], runs: Sequence[Run], named: str) -> Experiment:
    """The experiment that some runs are of.

    Raises:
        ValueError: they are of none, or of several.
    """
    of = {identity(run) for run in runs}
    found = [one for one in experiments if any(identity(run) in of for run in one.runs.values())]
    if len(found) != 1:
        several = (
            f"{len(found)} experiments, such as {found[0].name} and {found[1].name}" if found else "no finished run"
        )
        raise ValueError(f"--baseline {named}: it holds {several}; name a run of one")
    return found[0]


def in_order(rows: Sequence[Row], key: str) -> list[Row]:
    """The experiments in the order of a number of their tickets, the smallest first; ``-accuracy`` the largest first.

    Raises:
        ValueError: rows have no such number.
    """
    name, sign = key.removeprefix("-"), -1 if key.startswith("-") else 1
    numbers = [*_OF_ROWS, "difference", "search_iterations", "seconds", "early_stop"]
    if name not in numbers:
        raise ValueError(
            f"--sort {key}: one of {', '.join(numbers)}, with - for the largest first{nearest(name, numbers)}"
        )
    of_tickets: dict[str, float] = {}
    for row in rows:
        if row.arm == WINNING:
            of_tickets[row.run] = sign * (_OF_ROWS[name](row) if name in _OF_ROWS else getattr(row, name))
    return sorted(rows, key=lambda row: of_tickets.get(row.run, math.inf))


def side_by_side(rows: Sequence[Row], by_keys: bool) -> list[Row]:
    """Of experiments that differ in keys alone, one arm and round after the other.

    Args:
        by_keys: whether they are in the order of the keys' values, or stay in theirs.
    """
    groups = {group: place for place, group in enumerate(dict.fromkeys(row.group for row in rows))}
    arms = {arm: place for place, arm in enumerate(dict.fromkeys(row.arm for row in rows))}

    def place(row: Row) -> tuple[Any, ...]:
        return groups[row.group], row.round, arms[row.arm], [_natural(value) for value in row.keys.values() if by_keys]

    return sorted(rows, key=place)


def _natural(value: str) -> tuple[float, str]:
    """Numbers by size, and words after them."""
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value


def _values(run: Run) -> Mapping[str, Any]:
    choices: Mapping[str, str] = run.record.get("choices", {})
    return {**dict(flat(run.config)), **choices}
