"""Run directories as an attacker would leave them, and streams as daemons do: what each command must then do.

No traceback, no hang, no raw escape on a terminal, and nothing outside the directory is touched.
"""

import json
import os
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import yaml

from tests.lies import believed

ESCAPE = "\x1b]0;evil\x07\x1b[2J\x9b31m\r\u202e"
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
EXIT_CODES = (0, 1, 2)
_SECONDS, _BYTES = 120, 8 * 2**30  # of one command

Act = Callable[[Path, Path, random.Random], str]
Complaint = Callable[[Path, Path, random.Random], str | None]


def held(folder: Path) -> dict[str, bytes | None]:
    """All that is below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def limited(*arguments: str, cwd: Path, streams: str = "") -> subprocess.CompletedProcess[str]:
    """A command that may neither hang nor take much memory, with redirections of the shell."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))

    shell = ["bash", "-c", f'set -o pipefail; "$@" {streams}', "bash", sys.executable, "-m", "lth_cli", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        shell, cwd=cwd, env=environment, capture_output=True, text=True, timeout=_SECONDS, preexec_fn=limit
    )


def odd_file(run: Path, victim: Path, stream: random.Random) -> str:
    """A pipe, a socket, a link or a folder in the place of a file or a folder of the run."""
    place = stream.choice([*_files(run), run / "rounds", run / "partial", run / ".lock", run / "rounds" / "09"])
    what = stream.choice(("pipe", "socket", "endless", "link", "link to a folder", "folder", "second name"))
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(place)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as one, suppress(OSError):  # a name may be too long for one
            one.bind(str(place))
    elif what == "folder":
        place.mkdir()
    elif what == "second name":
        os.link(victim / "precious", place)
    else:
        place.symlink_to({"endless": Path("/dev/zero"), "link": victim / "precious"}.get(what, victim))
    return f"{what} at {place.relative_to(run)}"


def huge_file(run: Path, victim: Path, stream: random.Random) -> str:
    """A file of many gigabytes, a table of many rows, or text that is nested without end."""
    place = stream.choice(_files(run))
    what = stream.choice(("sparse", "long", "deep"))
    if what == "sparse":
        os.truncate(place, 2**40)
    elif what == "long":
        last = (place.read_bytes().splitlines(keepends=True) or [b"x\n"])[-1]
        place.write_bytes(place.read_bytes() + last[:100] * 300_000)
    else:
        place.write_bytes(stream.choice((b"[", b'{"a":', b"- ", b"&a [*a")) * 50_000)
    return f"{what} {place.relative_to(run)}"


def wrong_value(run: Path, victim: Path, stream: random.Random) -> str:
    """Another value in run.json, config.yaml, a table or the manifest; mostly under hashes that believe in it."""
    value = stream.choice(
        (ESCAPE, "../victim", str(victim), "", None, True, -1, 0, 1e308, 10**400, 2**63, [], {}, [[]], "${oc.env:HOME}")
    )
    name = stream.choice(("run.json", "config.yaml", "manifest.json", "history.csv", "layers.csv", "curves.csv"))
    file = run / name
    if name.endswith(".csv"):
        lines = file.read_text().splitlines()
        row = stream.randrange(len(lines))
        cells = lines[row].split(",")
        cells[stream.randrange(len(cells))] = str(value).replace("\r", "")
        lines[row] = ",".join(cells)
        file.write_text("\n".join(lines) + "\n")
    else:
        document = json.loads(file.read_text()) if name.endswith("json") else yaml.safe_load(file.read_text())
        node = document
        while isinstance(inner := node[key := stream.choice(list(node))], dict) and inner and stream.random() < 0.7:
            node = inner
        if stream.random() < 0.2:
            node[ESCAPE] = node.pop(key)
        else:
            node[key] = value
        file.write_text(json.dumps(document) if name.endswith("json") else yaml.safe_dump(document))
    if name != "manifest.json" and stream.random() < 0.8:
        with suppress(AttributeError):  # run.json is no longer a mapping
            believed(run)
    return f"{value!r:.40} in {name}"


def recorded_command(run: Path, victim: Path, stream: random.Random) -> str:
    """A command that the run says it was started with."""
    word = stream.choice(
        (
            "hydra.output_subdir=../victim",
            f"hydra.run.dir={victim}",
            "hydra.sweep.subdir=../victim",
            "hydra.job_logging.root.level=ext://evil.x",
            "hydra.job.env_set.PATH=/evil",
            "hydra.searchpath=[pkg://evil]",
            "+hydra.callbacks.x._target_=evil.X",
            "model._target_=evil.Net",
            "model=${oc.create:{_target_:evil.Net}}",
            "--config-dir=../victim",
            "--info=all",
            "--shell-completion install=bash",
            "-m seed=0,1",
            f"output={victim}",
            f"ticket={victim}/precious",
            "resume=../victim",
            "train.iterations=" + "9" * 400 + "ep",
            f"+x={ESCAPE!r}",
        )
    )
    command = f"{json.loads((run / 'run.json').read_text())['command']} {word}"
    (run / "run.json").write_text(json.dumps({**json.loads((run / "run.json").read_text()), "command": command}))
    believed(run)
    return f"command with {word:.60}"


COMMANDS = (
    ("list", "runs", "run"),
    ("watch", "run"),
    ("compare", "run"),
    ("verify", "run"),
    ("run", "resume=run", "safe=true", "rounds=4"),
)
ACTS: tuple[Act, ...] = (odd_file, huge_file, wrong_value, recorded_command)


def complaint(finished: Path, folder: Path, stream: random.Random) -> str | None:
    """What a command did that it must not to a copy of a run in which something is hostile; None if nothing."""
    run, victim = folder / "run", folder / "victim"
    shutil.copytree(finished, run)
    victim.mkdir()
    (victim / "precious").write_text("precious")
    (folder / "evil.py").write_text(f"open({str(victim / 'imported')!r}, 'w')")  # on the path of `python -m`
    act = stream.choice(ACTS)(run, victim, stream)
    before = held(victim)
    for arguments in COMMANDS:
        said = f"{act}: lth {' '.join(arguments)}"
        try:
            done = limited(*arguments, cwd=folder)
        except subprocess.TimeoutExpired:
            return f"{said}: hangs"
        except UnicodeDecodeError:
            return f"{said}: prints what is not UTF-8"
        text = done.stdout + done.stderr
        if done.returncode not in EXIT_CODES:
            return f"{said}: exit code {done.returncode}"
        if "Traceback" in text or len(done.stderr.splitlines()) > 12:
            return f"{said}: {done.stderr[-300:]}"
        if RAW.search(text):
            return f"{said}: a raw escape"
        if held(victim) != before:
            return f"{said}: reached outside"
    return None


STREAMS = ("<&-", ">&-", "2>&-", ">/dev/full", "2>/dev/full", "</dev/null")
READERS = ("| true", "| head -c 1")
LINES = (
    "run rounds=1 controls=[] train.iterations=2it",
    "run -m rounds=1 controls=[] train.iterations=2it seed=0,1",
    "run --cfg job",
    "run rounds=x",
    "compare run",
    "compare run --format json",
    "compare nowhere",
    "verify run",
    "list runs run",
    "watch run",
    "list",
    "--help",
)


def stream_complaint(finished: Path, folder: Path, stream: random.Random) -> str | None:
    """What a command did that it must not where some of its streams are closed, full or left."""
    shutil.copytree(finished, folder / "run")
    line = stream.choice(LINES)
    drawn = [*stream.sample(STREAMS, stream.randint(0, 2)), *stream.sample(READERS, stream.randint(0, 1))]
    streams = " ".join(drawn)
    said = f"lth {line} {streams}"
    try:
        done = limited(*line.split(), cwd=folder, streams=streams)
    except subprocess.TimeoutExpired:
        return f"{said}: hangs"
    if done.returncode not in EXIT_CODES or "Traceback" in done.stdout + done.stderr or "Exception" in done.stderr:
        return f"{said}: {done.returncode} {done.stderr[-300:]}"
    lost = [file for file in folder.glob("outputs/**/run.json") if json.loads(file.read_text())["status"] == "running"]
    return f"{said}: {lost[0]} is left as running" if lost else None


def _files(run: Path) -> list[Path]:
    return sorted(file for file in run.rglob("*") if file.is_file() and not file.is_symlink())
