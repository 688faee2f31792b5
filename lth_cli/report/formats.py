"""Rows of a comparison as markdown, LaTeX, CSV, JSON or Parquet."""

import csv
import html
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import get_args

from lth_cli.core.metrics import further
from lth_cli.core.spelling import clean
from lth_cli.report.columns import COMPARE, Column, with_content
from lth_cli.report.legend import legend
from lth_cli.results.compare import Row
from lth_cli.rundir.sweep import Sweep

_ALL = (Column("run", lambda row: row.run), *COMPARE)
_TEX = {
    **{c: rf"\{c}" for c in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", '"': r"\textquotedbl{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "…": r"\ldots{}"},
    **{"±": r"$\pm$", "≥": r"$\geq$", "≤": r"$\leq$", "−": "$-$", "×": r"$\times$"},
}


def markdown(rows: Sequence[Row]) -> str:
    """A GitHub table."""
    lines = ["| " + " | ".join(column.title for column in _ALL) + " |"]
    lines.append("|" + "|".join(" --- " if column.left else " ---: " for column in _ALL) + "|")
    lines += ["| " + " | ".join(in_markdown(column.cell(row)) for column in _ALL) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def latex(rows: Sequence[Row]) -> str:
    """A table for LaTeX with booktabs; a rule between experiments, and below it what its numbers mean."""
    columns = with_content(_ALL, rows)
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in columns)}}}",
        r"\toprule",
        " & ".join(_in_tex(column.title) for column in columns) + r" \\",
    ]
    before = None
    for row in rows:
        if row.run != before:
            lines.append(r"\midrule")
        before = row.run
        lines.append(" & ".join(_in_tex(column.cell(row)) for column in columns) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip\noindent{\footnotesize"]
    return "\n".join([*lines, *map(_in_tex, legend(rows, columns)), "}"]) + "\n"


def to_csv(rows: Sequence[Row]) -> str:
    """Every field of every row, unrounded."""
    text = io.StringIO()
    # Quoted, as there are spreadsheets for which a semicolon ends a cell.
    table = csv.DictWriter(text, _names(), lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    table.writeheader()
    table.writerows({key: _in_csv(value) for key, value in _flat(row).items()} for row in rows)
    return text.getvalue()


def to_json(rows: Sequence[Row], tolerance: float, skipped: Sequence[str], found: Sequence[Sweep] = ()) -> str:
    """Every field of every row, with the tolerance of the verdicts, the runs that were left out, and the sweeps."""
    document = {
        "tolerance": tolerance,
        "rows": [_flat(row) for row in rows],
        "skipped": list(skipped),
        "sweeps": [{**asdict(sweep), "path": str(sweep.path)} for sweep in found],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def to_parquet(rows: Sequence[Row]) -> bytes:
    """Every field of every row, unrounded, as polars and pandas read it."""
    import polars

    data = io.BytesIO()
    kinds = {str: polars.String, int: polars.Int64, float: polars.Float64, bool: polars.Boolean}
    schema = {one.name: kinds[(get_args(one.type) or (one.type,))[0]] for one in fields(Row) if one.name != "further"}
    schema |= {name: polars.Float64 for name in _names() if name not in schema}
    polars.DataFrame([_flat(row) for row in rows], schema=schema).write_parquet(data)
    return data.getvalue()


def in_markdown(text: str) -> str:
    """Text that is neither HTML nor a link, a picture, a mark, a formula, a list, a heading or the end of a cell.

    What GitHub looks for in the finished text, such as @name, #12 and :name:, no backslash hides; a comment parts it.
    """
    text = re.sub(r"[\\`*|~$]|://|(?<=www)\.|(?<=\])[(:]", r"\\\g<0>", html.escape(clean(text).strip(), quote=False))
    text = re.sub(r"(?i:@(?=\w)|#(?=\d)|\bgh-(?=\d)|:(?=[\w+-]+:))", r"\g<0><!-- -->", text)
    text = re.sub(r"((?<=[^\W_])_+(?=[^\W_]))|_", lambda found: found[1] or r"\_", text)  # within a word it is no mark
    return re.sub(r"^(\d*)([#+.)-]+)(?=\s|$)", r"\1\\\2", text)


def _in_tex(text: str) -> str:
    return "".join(_TEX.get(c, c) for c in clean(text))


def _in_csv(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = clean(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "�")) else text


def _names() -> list[str]:
    return [*(field.name for field in fields(Row) if field.name != "further"), *(m.column("test") for m in further())]


def _flat(row: Row) -> dict[str, object]:
    """Every field, the further metrics among them."""
    values: dict[str, object] = asdict(row)
    values.pop("further")
    return values | row.further
