"""Rows <-> the text of a table. A table of an older format is read, and rewritten, with all columns of this one."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lth_cli.rundir import names, within
from lth_cli.rundir.columns import FORMAT, TABLES, Column, of_format
from lth_cli.rundir.damaged import UNREADABLE, Damaged, why
from lth_cli.rundir.names import Key

Row = dict[str, Any]

# Which are read in seconds; a run of 1,000 rounds with 20 arms and seeds has 20,000 rows of history.
_MOST_ROWS = {names.HISTORY: 100_000, names.LAYERS: 1_000_000, names.CURVES: 1_000_000}


def read_table(path: Path, table: str, version: int) -> dict[Key, list[Row]]:
    """The rows of a table of a run directory, by round, arm and seed.

    Args:
        version: the format of the run.

    Raises:
        Damaged: it is missing, or not that.
    """
    try:
        return by_key(within.read(path, table).decode(), table, version)
    except UNREADABLE as error:
        raise Damaged(f"{path / table}: {why(path / table, error)}") from None


def by_key(text: str, table: str, version: int) -> dict[Key, list[Row]]:
    """The rows of a table by round, arm and seed; raises as `parse_table` does."""
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in parse_table(text, table, version):
        found[row["round"], row["arm"], row["seed"]].append(row)
    return found


def parse_table(text: str, table: str, version: int) -> list[Row]:
    """The rows of a table, typed; a column that is younger than the run has its default.

    Raises:
        ValueError, TypeError, csv.Error: a column is missing, or a value is not of its type.
    """
    if (lines := text.count("\n")) > _MOST_ROWS[table]:
        raise ValueError(f"{lines:,} rows; at most {_MOST_ROWS[table]:,} are read")
    rows = cells(text, table, version)
    size = len(next(rows, ()))
    there = [(column.name, column.parser) for column in TABLES[table][:size]]  # younger ones come last
    younger = {column.name: column.default for column in TABLES[table][size:]}
    return [{name: parse(cell) for (name, parse), cell in zip(there, row, strict=True)} | younger for row in rows]


def cells(text: str, table: str, version: int = 1) -> Iterator[list[str]]:
    """The cells of a table line by line, the header first.

    The manifest has hashes of lines, by the round that each begins with. So that what is read are those lines and
    nothing else, the header is that of a format from `version` on, each line is a row, and a round is spelt in one way.

    Raises:
        ValueError, csv.Error: it is otherwise, as no run writes it.
    """
    if "\r" in text:
        raise ValueError("a carriage return, which no run writes")
    rows = csv.reader(io.StringIO(text))
    size = 0
    for number, (line, row) in enumerate(zip(io.StringIO(text), rows, strict=False), start=1):
        if number == 1:
            _check_header(line, table, version)
            size = len(row)
        elif rows.line_num != number or len(row) != size or not line.startswith(f"{int(row[0])},"):
            raise ValueError(f"line {number} is no row as a run writes it")
        yield row


def _check_header(line: str, table: str, version: int) -> None:
    if lost := {column.name for column in of_format(table, version)}.difference(line.rstrip("\n").split(",")):
        raise ValueError(f"no column {', '.join(sorted(lost)[:3])}{', …' if len(lost) > 3 else ''}")
    if line not in (header(table, one).decode() for one in range(version, FORMAT + 1)):
        raise ValueError("its first line is not that of a format")


def header(table: str, version: int = FORMAT) -> bytes:
    """The first line of a table in a format."""
    return ",".join(column.name for column in of_format(table, version)).encode() + b"\n"


def lines(table: str, rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as text; raises KeyError where one lacks a column."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([row[column.name] for column in TABLES[table]] for row in rows)
    return text.getvalue().encode()


def rows_by_round(table: bytes) -> dict[bytes, bytes]:
    """The lines of a table after its header, by the round each begins with; `cells` tells whether they are rows."""
    rows: dict[bytes, list[bytes]] = defaultdict(list)
    for line in table.splitlines(keepends=True)[1:]:
        rows[line.partition(b",")[0]].append(line)
    return defaultdict(bytes, {round: b"".join(lines) for round, lines in rows.items()})


def younger(table: str, text: bytes, version: int = FORMAT) -> list[Column]:
    """The columns that a table lacks, as its header says; where that is none of ours, those of a run of `version`."""
    first = text.partition(b"\n")[0] + b"\n"
    there = next((one for one in range(1, FORMAT + 1) if header(table, one) == first), version)
    return [column for column in TABLES[table] if column.since > there]


def filled(rows: bytes, columns: Iterable[Column]) -> bytes:
    """Rows with the defaults of columns that they lack; these come last."""
    cells = "".join("," if column.default is None else f",{column.default}" for column in columns).encode()
    return b"".join(line.rstrip(b"\n") + cells + b"\n" for line in rows.splitlines(keepends=True)) if cells else rows
