"""Deliberate faults, each of which some test must notice. `make mutants` tries them all and prints who noticed.

Each is put into a copy of the repository, never into the repository itself.

python -m tests.mutants                 all of them
python -m tests.mutants resume seeds    those whose names hold one of these words
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console
from rich.table import Table

from tests.faulty import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = 2
COPIED = ("lth_cli", "tests", "conf", "pyproject.toml", "README.md", "docs")


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Args:
        verdict: caught, survived, or broken: the tests could not even run.
        by: the test that failed, or why nothing did.
    """

    verdict: str
    by: str
    seconds: float


def misfits(mutants: list[Mutant]) -> list[str]:
    """The mutants whose old text is not in its file exactly once, or whose tests are not there."""
    found = []
    for one in mutants:
        times = (ROOT / one.file).read_text().count(one.old) if (ROOT / one.file).is_file() else 0
        if times != 1:
            found.append(f"{one.name}: its text is {times} times in {one.file}")
        found += [f"{one.name}: no {test}" for test in one.tests if not _is_there(*test.partition("::")[::2])]
    return found


def _is_there(file: str, test: str) -> bool:
    return (ROOT / file).is_file() and f"def {test}" in (ROOT / file).read_text()


def copy_to(folder: Path) -> None:
    """What the tests need of the repository."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.is_file():
            shutil.copy(source, folder / name)


def pytest(folder: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy, up to the first that fails."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def outcome(mutant: Mutant, folder: Path) -> Outcome:
    """Put a mutant into a copy, run its tests, and put the copy in order."""
    began, file = time.monotonic(), folder / mutant.file
    right = file.read_text()
    file.write_text(right.replace(mutant.old, mutant.new))
    done = pytest(folder, *mutant.tests)
    file.write_text(right)
    seconds = time.monotonic() - began
    failed = re.search(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - |$)", done.stdout, re.MULTILINE)
    if done.returncode == 0:
        return Outcome("survived", "", seconds)
    if done.returncode != 1 or failed is None:
        return Outcome("broken", (done.stdout + done.stderr).strip()[-500:], seconds)
    return Outcome("caught", failed[1], seconds)


def try_all(mutants: list[Mutant], folder: Path) -> list[Outcome]:
    """The outcomes, in order; each of the copies takes one mutant at a time."""
    copies: SimpleQueue[Path] = SimpleQueue()
    for number in range(AT_ONCE):
        (folder / f"{number}").mkdir()
        copy_to(folder / f"{number}")
        copies.put(folder / f"{number}")

    def tried(mutant: Mutant) -> Outcome:
        copy = copies.get()
        try:
            found = outcome(mutant, copy)
        finally:
            copies.put(copy)
        print(f"{found.verdict:<9} {mutant.name}  {found.by.splitlines()[-1] if found.by else ''}", flush=True)
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(tried, mutants))


def show(mutants: list[Mutant], outcomes: list[Outcome]) -> None:
    """The table of who noticed."""
    table = Table("fault", "verdict", "by", "seconds")
    for mutant, found in zip(mutants, outcomes, strict=True):
        table.add_row(mutant.name, found.verdict, found.by.rpartition("/")[2], f"{found.seconds:.0f}")
    Console(width=170).print(table)


def main(words: list[str]) -> int:
    mutants = [one for one in MUTANTS if not words or any(word in one.name for word in words)]
    if wrong := misfits(mutants):
        print("\n".join(wrong))
        return 1
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        outcomes = try_all(mutants, Path(name))
        # Who notices a fault must be content without it: or the test itself is at fault, and catches nothing.
        noticed = sorted({found.by for found in outcomes if found.verdict == "caught"})
        content = pytest(Path(name) / "0", *noticed) if noticed else None
    show(mutants, outcomes)
    caught = sum(found.verdict == "caught" for found in outcomes)
    print(f"{caught} of {len(mutants)} faults were noticed, in {(time.monotonic() - began) / 60:.1f} minutes")
    if content is not None and content.returncode != 0:
        print(f"but these tests fail without a fault, too:\n{content.stdout[-2000:]}")
        return 1
    return 0 if caught == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
