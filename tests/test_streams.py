"""Standard output that is closed or full, a locale without UTF-8, and a working directory that is gone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Lth, only_run

RUN = "run rounds=1 controls=[] train.iterations=2it"


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command of the shell, in which ``lth`` is the real command line."""
    words = line.replace("lth ", f"{sys.executable} -m lth_cli ", 1)
    return subprocess.run(words, shell=True, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_run_whose_streams_are_closed_is_a_run(closed: str, tmp_path: Path) -> None:
    """Nor does anything that is printed get into a file that took the place of a closed stream."""
    ran = shell(f"lth {RUN} {closed}", tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads((only_run(tmp_path) / "run.json").read_text())["status"] == "done"
    compared = shell(f"lth compare outputs -o table.txt {closed}", tmp_path)
    assert (compared.returncode, compared.stderr) == (0, "")
    assert "winning" in (tmp_path / "table.txt").read_text()
    verified = shell(f"lth verify outputs {closed}", tmp_path)
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_stdout_is_named(unbuffered: str, run: Path, tmp_path: Path) -> None:
    for line in ("verify run", "compare run --format json", "list", RUN, "run --cfg job", "compare run"):
        done = shell(f"PYTHONUNBUFFERED={unbuffered} lth {line} > /dev/full", tmp_path)
        assert done.returncode == 1, line
        first, *rest = done.stderr.splitlines()
        assert first == "lth: stdout: No space left on device", line
        assert all(line == RUN and text.startswith("     to go on: lth run resume=outputs") for text in rest), line
    assert json.loads((only_run(tmp_path) / "run.json").read_text())["error"] == (
        "OSError: stdout: No space left on device"
    )


def test_a_locale_without_utf_8(run: Path, lth: Lth, tmp_path: Path) -> None:
    ascii_only = "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
    refused = shell(f"{ascii_only} lth {RUN} output=größe", tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("lth: output=gr\\udcc3\\udcb6\\udcc3\\udc9fe: the command line is not UTF-8")
    assert lth(*RUN.split(), "output='größe'").returncode == 0
    for line in ("verify .", "compare .", "compare . --format json -o rows.json"):
        done = shell(f"{ascii_only} lth {line}", tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), line
    assert len(json.loads((tmp_path / "rows.json").read_text())["rows"]) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="where a folder in use cannot be removed")
@pytest.mark.parametrize("line", [RUN, "compare", "verify x", "compare --plot a.png ../run", "run resume=x"])
def test_a_working_directory_that_is_gone_is_said(line: str, run: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", f"import os; os.rmdir({str(gone)!r})\n"
         f"from lth_cli.cli import main; raise SystemExit(main({line.split()!r}))"],
        cwd=gone, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "the working directory was removed" in done.stderr
    assert len(done.stderr.splitlines()) <= 3
