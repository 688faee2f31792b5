"""Rows of a comparison as markdown, LaTeX, CSV, JSON or Parquet."""

import html
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import get_args

from lth_cli.core.metrics import further
from lth_cli.core.spelling import clean
from lth_cli.report.columns import Column, of_comparison, with_content
from lth_cli.report.legend import legend
from lth_cli.results.compare import Row

_RUN = Column("run", lambda row: row.run)
_NESTED = ("further", "keys")  # fields of a row that hold several
_OWN = [field.name for field in fields(Row) if field.name not in _NESTED]
_TEX = {
    **{c: rf"\{c}" for c in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", '"': r"\textquotedbl{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "…": r"\ldots{}"},
    **{"[": "{[}", "*": "{*}"},  # which after the end of a line are its options
    **{"±": r"$\pm$", "≥": r"$\geq$", "≤": r"$\leq$", "−": "$-$", "×": r"$\times$"},
}


def markdown(rows: Sequence[Row]) -> str:
    """A GitHub table."""
    columns = [_RUN, *of_comparison(rows)]
    lines = ["| " + " | ".join(in_markdown(column.title) for column in columns) + " |"]
    lines.append("|" + "|".join(" --- " if column.left else " ---: " for column in columns) + "|")
    lines += ["| " + " | ".join(in_markdown(column.cell(row)) for column in columns) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def latex(rows: Sequence[Row], more: Sequence[str] = ()) -> str:
    """A table for LaTeX with booktabs; a rule between experiments, and below it what its numbers mean, and more."""
    columns = with_content([_RUN, *of_comparison(rows)], rows)
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{''.join('l' if column.left else 'r' for column in columns)}}}",
        r"\toprule",
        " & ".join(_in_tex(column.title) for column in columns) + r" \\",
    ]
    before = None
    for row in rows:
        if row.group != before:
            lines.append(r"\midrule")
        before = row.group
        lines.append(" & ".join(_in_tex(column.cell(row)) for column in columns) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip\noindent{\footnotesize"]
    return "\n".join([*lines, *map(_in_tex, [*legend(rows, columns), *more]), "}"]) + "\n"


def to_csv(rows: Sequence[Row]) -> str:
    """Every field of every row, unrounded; what there is none of is empty."""
    names = _names(rows)
    lines: list[list[object]] = [[*names], *([values[name] for name in names] for values in map(_flat, rows))]
    return "".join(",".join(_in_csv(value) for value in line) + "\n" for line in lines)


def to_json(rows: Sequence[Row], **more: object) -> str:
    """Every field of every row, and what else there is to say."""
    return json.dumps({"rows": [_flat(row) for row in rows], **more}, indent=2, allow_nan=False) + "\n"


def to_parquet(rows: Sequence[Row]) -> bytes:
    """Every field of every row, unrounded, as polars and pandas read it."""
    import polars

    data = io.BytesIO()
    kinds = {str: polars.String, int: polars.Int64, float: polars.Float64, bool: polars.Boolean}
    schema = {one.name: kinds[(get_args(one.type) or (one.type,))[0]] for one in fields(Row) if one.name in _OWN}
    schema |= dict.fromkeys(_further(), polars.Float64)
    schema |= {name: polars.String for name in _names(rows) if name not in schema}
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


def _in_csv(value: object) -> str:
    """A cell that no spreadsheet takes for a formula; texts are quoted, as for some a semicolon ends a cell."""
    if not isinstance(value, str):
        return "" if value is None else str(value).lower()
    text = f"'{value}" if value.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "�")) else value
    return '"' + text.replace('"', '""') + '"'


def _names(rows: Sequence[Row]) -> list[str]:
    """Of all fields, with the further metrics and the keys that experiments are laid side by side by."""
    return [*_OWN, *_further(), *map(_key, rows[0].keys if rows else ())]


def _further() -> list[str]:
    return [metric.column("test") for metric in further()]


def _key(key: str) -> str:
    """A key of a config, which may have the name of another field."""
    return clean(f"by.{key}" if key in (*_OWN, *_further()) else key)


def _flat(row: Row) -> dict[str, object]:
    """Every field, with the further metrics and the keys among them; texts do nothing to what shows them."""
    values: dict[str, object] = asdict(row)
    for name in _NESTED:
        del values[name]
    values |= row.further | {_key(key): value for key, value in row.keys.items()}
    return {name: clean(value) if isinstance(value, str) else value for name, value in values.items()}
