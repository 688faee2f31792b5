"""The format of run directories: its version, and the columns of each table with the version that brought them."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lth_cli.core.metrics import METRICS, SPLITS, Metric
from lth_cli.rundir import names

_MOST = 1e300  # of any number, so that sums over seeds are finite
MOST_COUNTED = 2**63 - 1  # of a whole number, as files of tables hold it; so ratios and products are finite, too


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        kind: int, float or str.
        low: the least that a number may be.
        top: and the most.
        since: the format from which on it is there.
        default: its value in rows of an older format; None, an empty cell, where nothing is known.
        empty: whether a cell may be empty in this format, too.
    """

    name: str
    kind: type
    low: float = 0.0
    top: float = math.inf
    since: int = 1
    default: int | float | str | None = None
    empty: bool = False

    @cached_property
    def parser(self) -> Callable[[str], Any]:
        """A cell -> its value; raises ValueError, TypeError."""
        return self._parse if self._may_be_empty else self.kind

    def _parse(self, cell: str) -> Any:
        return None if cell == "" else self.kind(cell)

    def allows(self, value: Any) -> bool:
        """Whether it can be that; a number that is not finite cannot."""
        if value is None:
            return self._may_be_empty
        return isinstance(value, str) or self._least <= value <= self._most

    @cached_property
    def _least(self) -> float:
        return max(self.low, -_MOST)

    @cached_property
    def _most(self) -> float:
        return min(self.top, MOST_COUNTED if self.kind is int else _MOST)

    @cached_property
    def _may_be_empty(self) -> bool:
        return self.empty or (self.since > 1 and self.default is None)


def _measured(split: str, metrics: Iterable[Metric]) -> list[Column]:
    return [Column(m.column(split), float, m.low, m.top, m.since) for m in metrics]


def _table(*columns: Column) -> tuple[Column, ...]:
    """Younger columns come last, so that rows of an older format are the beginnings of rows of this one."""
    return tuple(sorted(columns, key=lambda column: column.since))


_KEY = (Column("round", int), Column("arm", str), Column("seed", int))

HISTORY = _table(
    *_KEY,
    Column("density", float, top=1.0),
    Column("sparsity", float, top=1.0),
    Column("remaining", int),
    Column("total", int),
    Column("iterations", int),
    *_measured("test", reversed(METRICS)),
    *_measured("val", reversed(METRICS)),
    Column("early_stop_iteration", int),
    Column("early_stop_test_accuracy", float, top=1.0),
    Column("train_seconds", float),
    Column("examples_per_second", float),
    Column("reaches_dense_at", int, since=2, empty=True),
)
LAYERS = _table(*_KEY, Column("layer", str), Column("remaining", int), Column("total", int))
CURVES = _table(
    *_KEY,
    Column("iteration", int),
    Column("train_loss", float, empty=True),
    *_measured("val", METRICS),
    *_measured("test", METRICS),
)
TABLES = {names.HISTORY: HISTORY, names.LAYERS: LAYERS, names.CURVES: CURVES}

FORMAT = max(column.since for table in TABLES.values() for column in table)
"""The version of what is written: that of the youngest column."""

MEASURED = tuple(metric.column(split) for split in SPLITS for metric in METRICS)
"""Columns that are in history.csv, of the end of training, and in curves.csv, of every evaluation."""


def of_format(table: str, version: int) -> tuple[Column, ...]:
    """The columns that a table has in a format."""
    return tuple(column for column in TABLES[table] if column.since <= version)
