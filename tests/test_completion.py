"""Completion, as the shells ask for it, and in the shells themselves."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import Lth

ASKED = [
    ("lth ", "compare completion list plot run verify watch"),
    ("lth c", "compare completion"),
    ("lth --v", "--version"),
    ("lth compare --f", "--format"),
    ("lth compare outputs --format ", "csv json latex markdown parquet table"),
    ("lth compare out", ""),
    ("lth list p", "patterns pruners"),
    ("lth list r", "rewinds runs"),
    ("lth list runs --", "--format --help --status"),
    ("lth list runs --status f", "failed foreign"),
    ("lth list runs --format ", "json table"),
    ("lth list models --c", "--config-dir"),
    ("lth list runs out", ""),
    ("lth watch out", ""),
    ("lth watch --", "--help"),
    ("lth completion ", "bash fish zsh"),
    ("lth run mod", "model. model="),
    ("lth run sparsity=0.9 model=conv4", "model=conv4 model=conv4_linear"),
    ("lth run -m rewind=init,l", "rewind=init,late rewind=init,learning_rate"),
    ("lth run controls=[random_mask,sm", "controls=[random_mask,smart_ratio"),
    ("lth run +experiment=lenet_m", "+experiment=lenet_mnist +experiment=lenet_mnist_5k"),
    ("lth run --cfg ", "all hydra job"),
    ("lth run --config-d", "--config-dir"),
    ("lth run --config-dir own model=mi", "model=mine"),
    ("lth run resume=out", ""),
    ("lth run 'controls=[", ""),
    ("lth run ++ --nope", ""),
]


@pytest.mark.parametrize(("line", "words"), ASKED, ids=[line for line, _ in ASKED])
def test_what_may_follow(line: str, words: str, lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "own" / "model").mkdir(parents=True)
    (tmp_path / "own" / "model" / "mine.yaml").write_text("defaults: [conv4]\n")
    for shell in ("bash", "zsh", "fish"):
        asked = lth("-sc", f"query={shell}", COMP_LINE=line)
        assert (asked.returncode, asked.stdout.split(), asked.stderr) == (0, words.split(), "")


def test_typing_imports_no_torch_and_nothing_of_the_users(lth_process: Lth, tmp_path: Path) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "__init__.py").write_text("open('ran', 'w')")
    for line in ("lth run hydra.searchpath=[pkg://evil] model=conv4_", "lth "):
        asked = lth_process("-sc", "query=bash", COMP_LINE=line, PYTHONPROFILEIMPORTTIME="1", PYTHONPATH=os.getcwd())
        assert asked.stdout.split() == {
            "lth ": ["compare", "completion", "list", "plot", "run", "verify", "watch"]
        }.get(line, ["model=conv4_linear"])
        imported = {found.rpartition("|")[2].strip().partition(".")[0] for found in asked.stderr.splitlines()}
        assert "lth_cli" in imported
        assert not imported & {"torch", "numpy"}
        assert not (tmp_path / "ran").exists()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path on which there is an lth; beside it, a folder to complete the name of."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "lth"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{os.getcwd()}" exec {sys.executable} -m lth_cli "$@"\n')
    command.chmod(0o755)
    (tmp_path / "outputs" / "sweep").mkdir(parents=True)
    return f"{tmp_path / 'bin'}:{os.environ['PATH']}"


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def typed(command: list[str], keys: list[str], until: str, folder: Path, path: str) -> str:
    """What an interactive shell shows while some keys are typed, up to a text."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.execvpe(command[0], command, {"PATH": path, "HOME": str(folder), "TERM": "dumb", "PS1": "> "})
    shown, asked, deadline = "", 0, time.monotonic() + 60
    try:
        while until not in shown and time.monotonic() < deadline:
            if asked < len(keys) and shown.count("> ") > asked:  # at the next prompt
                os.write(terminal, keys[asked].encode())
                asked += 1
            if select.select([terminal], [], [], 0.1)[0]:
                shown += os.read(terminal, 65536).decode(errors="replace")
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
    return shown


BASH = """
eval "$(lth completion bash)"
for line in "lth run mod" "lth run model=lenet5" "lth verify outp"; do
    COMP_LINE="$line" COMP_POINT=${#line} COMPREPLY=()
    _lth lth
    printf '%s;' "${COMPREPLY[@]}"
    echo
done
COMP_WORDBREAKS="${COMP_WORDBREAKS//=}"
COMP_LINE="lth run model=lenet5" COMP_POINT=20
_lth lth
echo "${COMPREPLY[@]}"
complete -p lth
"""


def test_in_bash(tmp_path: Path, path: str) -> None:
    done = subprocess.run(
        [shell("bash"), "-c", BASH], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    words = ["model.;model=;", "lenet5;", ";", "model=lenet5", "complete -o default -F _lth lth"]
    assert done.stdout.splitlines() == words


@pytest.mark.parametrize(("name", "options"), [("bash", ["--norc", "-i"]), ("zsh", ["-f", "-i"])])
def test_at_the_tab_key(name: str, options: list[str], tmp_path: Path, path: str) -> None:
    turned_on = f'eval "$(lth completion {name})"\r'
    keys = [turned_on, "lth run resume=outp\tsw\t model=conv6_\t"]
    shown = typed([shell(name), *options], keys, "model=conv6_linear", tmp_path, path)
    assert re.search("lth run resume=outputs/sweep/? model=conv6_linear", re.sub(".\x08", "", shown))


def test_in_fish(tmp_path: Path, path: str) -> None:
    lines = ("lth run model=conv4_", "lth ver", "lth run resume=outp", "lth verify outputs/sw")
    script = "lth completion fish | source\n" + "".join(f"complete -C '{line}'\n" for line in lines)
    done = subprocess.run(
        [shell("fish"), "--no-config", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    found = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert found == ["model=conv4_linear", "verify", "resume=outputs/", "outputs/sweep/"]
