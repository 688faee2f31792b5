"""What a run directory says can look like anything, but steers no terminal, no browser and no spreadsheet."""

import ast
import csv
import io
import json
import os
import re
import shutil
import warnings
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import lth_cli
from lth_cli.core.spelling import brief, clean
from lth_cli.report.formats import in_markdown, markdown, to_csv
from lth_cli.report.table import compared
from lth_cli.report.terminal import Terminal
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
    for start in "=+-@＝":
        formula = [row.__class__(**{**row.__dict__, "run": f"{start}1+1"}) for row in rows]
        cells = list(csv.DictReader(io.StringIO(to_csv(formula))))
        assert {row["run"] for row in cells} == {f"'{start}1+1"}
        assert float(cells[-1]["difference"]) == rows[-1].difference


FAKE = "x\n\nlth: all is well\n     to go on: evil\n"


def test_what_is_read_makes_no_line_of_its_own(run: Path, lth: Lth, tmp_path: Path) -> None:
    """Nor one that somebody may take for ours, and type."""
    sweep = tmp_path / f"sweep{FAKE}<b>|"
    sweep.mkdir()
    (sweep / "sweep.json").write_text(json.dumps({"format": 1, "expected": 3, "jobs": [FAKE]}))
    for name, status in (("seed=0", "done"), (FAKE, "failed")):
        path = Path(shutil.copytree(run, sweep / name))
        record = json.loads((path / "run.json").read_text())
        record |= {"error": FAKE, "device": FAKE, "status": status, "executor": FAKE}
        (path / "run.json").write_text(json.dumps(record))
        believed(path)
        manifest = json.loads((path / "manifest.json").read_text())
        manifest["claims"][FAKE] = "0" * 64
        (path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "config").mkdir()
    shutil.copytree(run, tmp_path / "config", dirs_exist_ok=True)
    config = yaml.safe_load((run / "config.yaml").read_text())
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump({**config, "seed": FAKE, FAKE: 1}))
    for arguments in (
        ("compare", "."),
        ("compare", ".", "--format", "markdown"),
        ("verify", "."),
        ("run", "resume=config"),
        ("run", f"resume={sweep / 'seed=0'}", "checkpoint_every=1it"),
    ):
        done = lth(*arguments)
        said = (done.stdout + done.stderr).splitlines()
        assert any("to go on: evil" in line for line in said), arguments
        assert [line for line in said if line.startswith(("lth: all", "     to go on: evil"))] == [], arguments
    text = lth("compare", ".", "--format", "markdown").stdout
    assert "&lt;b&gt;\\|" in text
    assert "<b>" not in text


def test_the_shell_is_given_no_name_that_it_would_run(lth: Lth, tmp_path: Path) -> None:
    """A completion is put into the command line as it is."""
    for name in ("a_run", "a;evil", "a$(evil)", "a`evil`", "a{b,c}"):
        (tmp_path / name).mkdir()
    assert lth("-sc", "query=bash", COMP_LINE="lth run resume=./a").stdout == "resume=./a_run\n"
    assert "model=" in lth("-sc", "query=bash", COMP_LINE="lth run mod").stdout


def test_what_hydra_shows_and_warns_of_is_clean(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / f"a{ESCAPE.replace('/', '')}.yaml").write_text("_target_: x\n")
    (tmp_path / "own" / "mine.yaml").write_text(f"defaults: [config, _self_]\noutput: 'a{ESCAPE[-1]}'\n")
    for more in ("--help", "--cfg=job", "--info=all", f"device={ESCAPE[-1]}"):
        done = lth("run", "--config-dir=own", "--config-name=mine", more, HYDRA_FULL_ERROR="1")
        assert "�" in done.stdout + done.stderr
        assert RAW.findall(done.stdout.replace("\t", "") + done.stderr) == [], more
    said = warnings.formatwarning(f"one{ESCAPE}\n     two", UserWarning, "x.py", 1)
    assert (RAW.findall(said), said.count("\n"), said[-5:]) == ([], 1, " two\n")


def test_a_list_is_of_short_lines(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "a\nb.yaml").write_text("#" + "x" * 10_000)
    lines = lth("list", "models", "--config-dir=own").stdout.splitlines()
    assert max(map(len, lines)) < 300
    assert any(line.startswith("model=a�b ") for line in lines)
    os.mkfifo(tmp_path / "own" / "model" / "pipe.yaml")
    for arguments in (("list", "models", "--config-dir=own"), ("run", "--config-dir=own", "model=pipe")):
        assert "own/model/pipe.yaml: not a file" in lth(*arguments).stderr


def test_a_cell_is_what_it_says(run: Path) -> None:
    row = compare([read(run)])[0]
    text = io.StringIO()
    compared(Terminal(file=text), [row.__class__(**{**row.__dict__, "group": ":skull: [red]x[/] \\"})])
    assert ":skull: [red]x[/] \\" in text.getvalue()
    assert in_markdown("$x$ ~~y~~ http://z www.z") == "\\$x\\$ \\~\\~y\\~\\~ http\\://z www\\.z"


@pytest.mark.parametrize("text", ["random_reinit a__b", "controls=[a,b] @ # : -0.5 ± 0.1", "≥ 1,200 (0.50x)"])
def test_ordinary_names_read_in_markdown_as_they_are(text: str) -> None:
    assert in_markdown(text) == text


@given(st.text("ab1_@#:[]()!-+. *~`\\<>&gh|$", max_size=12))
@example("_x_")
@example("# a")
@example("1. a")
@example("[a](b)")
@example("[a]: b")
def test_markdown_takes_a_name_for_text(text: str) -> None:
    """A comment apart, behind which GitHub finds no @name, #12 and :name:, which it looks for in text as shown."""
    inline = (each for token in MarkdownIt().parse(f"{in_markdown(text)}\n") for each in token.children or [token])
    shown = [token for token in inline if token.type not in ("paragraph_open", "paragraph_close")]
    assert {token.type for token in shown} <= {"text", "text_special", "html_inline"}
    parts = "".join("\n" if token.type == "html_inline" else token.content for token in shown)
    assert parts.replace("\n", "") == text.strip()
    assert not re.search(r"@\w|#\d|:[\w+-]+:|(?i:\bgh-\d)", parts)


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
    assert [one for one in found if "measure" not in one and "Console(width=1000" not in one] == [
        "core/spelling.py: print('\\n'.join(map(clean, text.split('\\n'))), file=file)"
    ]
