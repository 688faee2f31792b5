"""What is done to real runs for as long as one likes: kills, damage, attacks. `make soak` does it many times.

python -m tests.soak --kills 100 --fuzz 20000 --damage 200 --hostile 100 --streams 100 --networks 50
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lth_cli.core.spelling import clean
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.intact import reopen
from lth_cli.setup.build import build
from tests import hostile
from tests.interrupted import config, results, start
from tests.nets import any_network, assert_trained

COMMAND = [sys.executable, "-m", "lth_cli", "run"]
# Four rounds of two seeds and all controls, a few seconds of work after three of starting.
WORK = (
    "rounds=3",
    "replicates=2",
    "controls_at=all",
    "train.iterations=150it",
    "eval_every=10it",
    "checkpoint_every=20it",
    "model.hidden=[60]",
)
EXECUTORS = ("serial", "stacked", "processes")


def popen(*arguments: str, cwd: Path, command: Sequence[str] = COMMAND) -> subprocess.Popen[str]:
    """The real command line, in a process and a group of its own."""
    return subprocess.Popen(
        [*command, *arguments],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "2" if "executor=processes" in arguments else "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until_begun(process: subprocess.Popen[str], cwd: Path) -> Path:
    """Wait until a fresh run is in its work, and say where."""
    while not (records := list(cwd.glob("outputs/*/*/run.json"))):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return records[0].parent


def whole_run(cwd: Path, executor: str = "serial") -> tuple[dict[str, object], float]:
    """The results of a run that nobody disturbs, and how long it works after run.json is there."""
    cwd.mkdir(parents=True)
    process = popen(*WORK, f"executor={executor}", cwd=cwd)
    path = until_begun(process, cwd)
    began = time.monotonic()
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    return results(path), time.monotonic() - began


def killed_run(cwd: Path, executor: str, kills: int, seconds: float, stream: random.Random) -> tuple[Path, int]:
    """A run that is killed up to `kills` times, each within `seconds` of its work, and then left to end."""
    cwd.mkdir(parents=True)
    process = popen(*WORK, f"executor={executor}", cwd=cwd)
    path = until_begun(process, cwd)
    done = 0
    for _ in range(kills):
        try:
            process.wait(stream.uniform(0, seconds))
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        done += 1
        record = path / "run.json"
        before = record.stat().st_mtime_ns
        process = popen(f"resume={path}", f"executor={executor}", cwd=cwd)
        while record.stat().st_mtime_ns == before and process.poll() is None:
            time.sleep(0.01)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, ""), errors
    return path, done


def damage_somewhere(path: Path, stream: random.Random) -> str:
    """Change, cut or remove one file of a run that its manifest guards, and say which and how."""
    files = sorted(file for file in path.rglob("*") if file.suffix in (".safetensors", ".csv"))
    file = stream.choice(files)
    data = file.read_bytes()
    how = stream.choice(("flipped", "cut", "removed"))
    if how == "flipped":
        start = data.index(b"\n") + 1 if file.suffix == ".csv" else 0  # a header says nothing that could be wrong
        place = stream.randrange(start, len(data))
        file.write_bytes(data[:place] + bytes([data[place] ^ (1 << stream.randrange(8))]) + data[place + 1 :])
    elif how == "cut":
        file.write_bytes(data[: stream.randrange(len(data))])
    else:
        file.unlink()
    return f"{file.relative_to(path)} {how}"


def soak_kills(folder: Path, kills: int, seed: int) -> list[tuple[str, int, int]]:
    """As many runs at a time as there are cores, each killed up to four times, until there were `kills`."""
    whole = {executor: whole_run(folder / executor, executor) for executor in EXECUTORS}
    cores = os.cpu_count() or 1

    def killed(run: int) -> tuple[int, bool]:
        executor = EXECUTORS[run % len(EXECUTORS)]
        expected, seconds = whole[executor]
        stream = random.Random(f"{seed}/{run}")
        path, done = killed_run(folder / f"killed{run}", executor, min(4, kills), seconds / 2, stream)
        return done, results(path) == expected

    found: list[tuple[int, bool]] = []
    with ThreadPoolExecutor(cores) as pool:
        while sum(done for done, _ in found) < kills:
            found += pool.map(killed, range(len(found), len(found) + cores))
    survived = sum(done for done, same in found if same)
    return [
        ("kills survived", survived, sum(done for done, _ in found)),
        ("bit-identical runs after their resumes", sum(same for _, same in found), len(found)),
    ]


def soak_damage(folder: Path, times: int, stream: random.Random) -> list[tuple[str, int, int]]:
    whole_run(folder / "whole")
    (path,) = (record.parent for record in folder.glob("whole/outputs/*/*/run.json"))
    detected = 0
    for _ in range(times):
        copy = Path(shutil.copytree(path, folder / "copy"))
        what = damage_somewhere(copy, stream)
        found = _is_detected(copy)
        detected += found
        if not found:
            print(f"not detected: {what}")
        shutil.rmtree(copy)
    return [("corruptions detected", detected, times)]


def _is_detected(run: Path) -> bool:
    """Whether what goes on sees that not all is as it was written, or refuses to."""
    try:
        return not reopen(run).done
    except Damaged:
        return True


def soak_hostile(folder: Path, cases: int, seed: int) -> list[tuple[str, int, int]]:
    """Directories in which something was planted, compared, verified and gone on with."""
    return [("hostile directories that lead nowhere", _held(hostile.complaint, folder, cases, seed), cases)]


def soak_streams(folder: Path, cases: int, seed: int) -> list[tuple[str, int, int]]:
    return [("commands without some of their streams", _held(hostile.stream_complaint, folder, cases, seed), cases)]


def _held(complaint: hostile.Complaint, folder: Path, cases: int, seed: int) -> int:
    """How many cases gave no complaint, as many at a time as there are cores; what the others gave is printed."""
    finished = folder / "finished"
    start(finished)

    def one(case: int) -> bool:
        place = folder / str(case)
        place.mkdir()
        found = complaint(finished, place, random.Random(f"{seed}/{case}"))
        if found is not None:
            print(f"case {case}: {clean(found)}")
        shutil.rmtree(place)
        return found is None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(one, range(cases)))


def soak_networks(folder: Path, cases: int) -> list[tuple[str, int, int]]:
    """Networks of one's own, drawn: what is saved is the network that was trained, and verify agrees."""
    good = 0
    for case in range(cases):
        stream, path = random.Random(case), folder / str(case)
        options = (
            f"model={{_target_:tests.nets.any_network,hidden:[{case}]}}",
            f"executor={stream.choice((*EXECUTORS, 'auto'))}",
            f"rewind={stream.choice(('init', 'learning_rate', 'none'))}",
            f"pruner={stream.choice(('magnitude', 'snip', 'movement', 'random'))}",
            "replicates=2",
            "rounds=2",
        )
        start(path, *options)
        try:
            assert_trained(path, any_network((1, 8, 8), 10, [case]), build(config(*options), {}).data.test)
            assert not any(check.wrong for check in verify(path))
            good += 1
        except AssertionError as error:
            print(f"network {case}, {options[1:4]}: {error!r:.300}")
    return [("own networks that are what was trained", good, cases)]


def soak_fuzz(folder: Path, cases: int, seed: int, until: float) -> list[tuple[str, int, int]]:
    """In parts of a thousand, as long as there is time."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded

    from tests import fuzz

    passed = []

    def check(line: list[str]) -> None:
        complaint = fuzz.complaint(line)
        passed.append(complaint is None)
        if complaint is not None:
            print(f"{[word[:60] for word in line]}: {complaint}")

    folder.joinpath("bench").mkdir()
    with fuzz.bench(folder / "bench"):
        for part in range(0, cases, 1000):
            if time.monotonic() < until:
                size = settings(max_examples=min(1000, cases - part), deadline=None, database=None)
                seeded(seed + part)(settings(size, suppress_health_check=list(HealthCheck))(given(fuzz.lines)(check)))()
    return [("fuzz cases with a short message", sum(passed), len(passed))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--damage", type=int, default=500)
    parser.add_argument("--fuzz", type=int, default=20_000)
    parser.add_argument("--hostile", type=int, default=200)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=28, help="no more fuzz cases are begun after that")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    stream, start = random.Random(arguments.seed), time.monotonic()
    parts: list[Callable[[Path], list[tuple[str, int, int]]]] = [
        lambda folder: soak_kills(folder, arguments.kills, arguments.seed),
        lambda folder: soak_damage(folder, arguments.damage, stream),
        lambda folder: soak_networks(folder, arguments.networks),
        lambda folder: soak_streams(folder, arguments.streams, arguments.seed),
        lambda folder: soak_hostile(folder, arguments.hostile, arguments.seed),
        lambda folder: soak_fuzz(folder, arguments.fuzz, arguments.seed, start + 60 * arguments.minutes),
    ]
    table = Table("what", "passed", "of", "minutes")
    good = True
    for part in parts:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            rows = part(Path(folder))
        for what, passed, of in rows:
            good = good and passed == of
            table.add_row(what, f"{passed:,}", f"{of:,}", f"{(time.monotonic() - began) / 60:.1f}")
    Console().print(table)
    print(f"{(time.monotonic() - start) / 60:.1f} minutes in all")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
