"""What a run directory says can look like anything, but steers no terminal, no browser and no spreadsheet."""

import ast
import csv
import io
import json
import re
from pathlib import Path

import pytest
import yaml

import lth_cli
from lth_cli.core.spelling import brief, clean
from lth_cli.report.table import markdown, to_csv
from lth_cli.results.compare import compare
from lth_cli.rundir.read import read
from tests.command import Lth
from tests.lies import believed

ESCAPE = "\x1b]0;evil\x07\x1b[2J\x9b31m\r\u202e"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def hostile(run: Path, text: str) -> Path:
    """A run that says `text` wherever it may, in a folder of that name, beside one that says something else."""
    other = run.parent / "runs" / "other"
    other.parent.mkdir()
    named = other.parent / f"a{text.replace('/', '')}"
    run.rename(named)
    for path, words in ((named, text), (other, "other")):
        if path is other:
            import shutil

            shutil.copytree(named, other)
        record = json.loads((path / "run.json").read_text())
        record |= {"choices": {"model": words, "dataset": words}, "device": words, "notes": [words]}
        (path / "run.json").write_text(json.dumps(record))
        config = yaml.safe_load((path / "config.yaml").read_text())
        config["model"] |= {"x": words, words: 1}
        (path / "config.yaml").write_text(yaml.safe_dump(config))
        layers = (path / "layers.csv").read_text()
        (path / "layers.csv").write_text(layers.replace("fc1", words.replace("\r", "")))
        believed(path)
    return named


@pytest.mark.parametrize("status", ["done", "failed"])
def test_no_raw_escape_reaches_the_terminal(status: str, run: Path, lth: Lth) -> None:
    path = hostile(run, ESCAPE)
    record = json.loads((path / "run.json").read_text())
    command = f"lth run '+x=\"{ESCAPE}\"' {ESCAPE}=3"
    (path / "run.json").write_text(json.dumps({**record, "status": status, "error": ESCAPE, "command": command}))
    for arguments in (
        ("compare", str(path.parent)),
        ("compare", str(path.parent), "--format", "markdown"),
        ("compare", str(path.parent), "--format", "csv"),
        ("compare", str(path.parent), "--format", "json"),
        ("compare", str(path / "nowhere")),
        ("verify", str(path.parent)),
        ("run", f"resume={path}", "safe=true"),
        ("run", f"resume={path}", "--cfg=job"),
        ("run", f"resume={path}", "--info=all"),
    ):
        done = lth(*arguments)
        assert done.stdout + done.stderr != ""
        assert RAW.findall(done.stdout + done.stderr) == [], arguments
    assert "�" in lth("verify", str(path)).stdout


def test_markdown_and_csv_hold_text_only(run: Path) -> None:
    path = hostile(run, "=1+1|<img src=x>[a](b)![c](d)`*e*")
    rows = compare([read(path), read(path.parent / "other")])
    line = markdown(rows).splitlines()[2]
    assert "&lt;img src=x&gt;" in line
    assert "<" not in line
    assert "](" not in line
    assert re.search(r"(?<!\\)[*`]", line) is None
    assert len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"\|", markdown(rows).splitlines()[1]))
    for start in "=+-@":
        formula = [row.__class__(**{**row.__dict__, "run": f"{start}1+1"}) for row in rows]
        cells = list(csv.DictReader(io.StringIO(to_csv(formula))))
        assert {row["run"] for row in cells} == {f"'{start}1+1"}
        assert float(cells[-1]["difference"]) == rows[-1].difference


def test_a_name_that_is_a_formula_of_tex_is_drawn(run: Path, lth: Lth, tmp_path: Path) -> None:
    hostile(run, "$\\frac{$")
    done = lth("compare", str(run.parent / "runs"), "--plot", "p.png")
    assert (done.returncode, done.stderr) == (0, "")


def test_texts_keep_what_can_be_read() -> None:
    assert clean("größe=1 ± 日本\u00a0x [red]") == "größe=1 ± 日本\u00a0x [red]"
    assert clean("a\nb\x1b\udc80") == "a�b��"
    assert brief("a\x9b\nb") == "a�\nb"


def test_nothing_is_printed_beside_the_one_place() -> None:
    package = Path(lth_cli.__file__).parent
    found = [
        f"{file.relative_to(package)}: {ast.unparse(node)[:60]}"
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "Console", "sys.stderr.write")
    ]
    assert [one for one in found if "measure" not in one and "Console(width=1000)" not in one] == [
        "core/spelling.py: print('\\n'.join(map(clean, text.split('\\n'))), file=file)"
    ]
