"""The examples of docs/extending.md, added to a copy of the checkout as they stand there: counted, run and verified."""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "extending.md").read_text()
_BLOCK = re.compile(
    r"^`(?P<path>[\w/.]+)`(?:, (?P<how>at its end|before|in place of)(?: `(?P<text>[^`\n]+)`)?)?:\n\n"
    r"```\w+\n(?P<code>.*?)```$",
    re.M | re.S,
)

Lth = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class Edit:
    """A new file, or a change of one that is there."""

    path: str
    how: str | None
    text: str
    code: str

    def apply(self, root: Path) -> None:
        file = root / self.path
        if self.how is None:
            assert not file.exists()
            file.write_text(self.code)
            return
        before = file.read_text()
        if self.how == "at its end":
            file.write_text(before + self.code)
        else:
            assert before.count(self.text) == 1, f"{self.path}: {self.text}"
            file.write_text(
                before.replace(
                    self.text, self.code.rstrip("\n") if self.how == "in place of" else self.code + self.text
                )
            )


def sections() -> Iterator[tuple[str, list[Edit]]]:
    for section in PAGE.split("\n## ")[1:]:
        found = [Edit(m["path"], m["how"], m["text"] or "", m["code"]) for m in _BLOCK.finditer(section)]
        assert section.count("```") == 2 * len(found), "a block whose file is not named"
        yield section.partition("\n")[0].lower(), found


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with all examples in it."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("lth_cli", "conf"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for _, edits in sections():
        for edit in edits:
            edit.apply(root)
    return root


@pytest.fixture
def extended(copy: Path, tmp_path: Path) -> Lth:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "lth_cli", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return run


def test_as_many_files_as_the_page_says() -> None:
    said = dict(re.findall(r"^\| (an? .+?) \| (\d) \|", PAGE, re.M))
    assert {name: len({edit.path for edit in edits}) for name, edits in sections()} == {
        k: int(v) for k, v in said.items()
    }


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    (run,) = (folder / "outputs").glob("*/*")
    return list(csv.DictReader((run / name).read_text().splitlines()))


def test_all_together_in_one_run(extended: Lth, tmp_path: Path) -> None:
    options = ("model=narrow", "dataset=stripes", "pruner=relative", "rewind=average", "sparsity=cubic")
    options = (*options, "pattern=never_empty", "controls=[random_reinit,negated]", "sparsity.target=0.5")
    done = extended("run", *options, "rounds=2", "train.iterations=1ep", "controls_at=all", "safe=true")
    assert (done.returncode, done.stderr) == (0, "")
    history = rows(tmp_path, "history.csv")
    assert [row["arm"] for row in history] == ["dense", *["winning", "random_reinit", "negated"] * 2]
    total = int(history[0]["total"])
    assert [int(row["remaining"]) for row in history if row["arm"] == "winning"] == [round(total * 0.5625), total // 2]
    for name in ("history.csv", "curves.csv"):
        assert all(0 < float(row["test_confidence"]) <= 1 for row in rows(tmp_path, name))
    verified = extended("verify", "outputs")
    assert (verified.returncode, "not known" in verified.stdout) == (0, False)
    compared = extended("compare", "--format", "csv")
    assert "confidence" in compared.stdout.partition("\n")[0]


def test_another_way_to_find_tickets_and_to_go_on(extended: Lth, tmp_path: Path) -> None:
    options = ("pruner=best_of", "rounds=2", "train.iterations=1ep", "model.hidden=[8]", "controls=[random_reinit]")
    assert extended("run", *options).returncode == 0
    whole = [{k: v for k, v in row.items() if "second" not in k} for row in rows(tmp_path, "history.csv")]
    (path,) = (tmp_path / "outputs").glob("*/*")
    (path / "rounds" / "02" / "winning_seed0.safetensors").unlink()
    again = extended("run", f"resume={path}")
    assert (again.returncode, again.stderr) == (0, "")
    assert [{k: v for k, v in row.items() if "second" not in k} for row in rows(tmp_path, "history.csv")] == whole
    assert extended("verify", "outputs").returncode == 0
