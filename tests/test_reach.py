"""What cannot be read just now may well be in order: it is named, and a run that goes on makes nothing anew for it."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_cli.core import files
from lth_cli.rundir import names, within
from lth_cli.rundir.damaged import OutOfReach
from lth_cli.rundir.record import read_record
from lth_cli.rundir.write import Writer
from tests.command import Lth
from tests.interrupted import cut_after, start

PASSING = [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Let every attempt to open files of a name fail from now on, as a disk or a server would."""

    def fail(name: str, number: int) -> None:
        really = os.open

        def opened(path: Any, *arguments: Any, **options: Any) -> int:
            if Path(path).name == name:
                raise OSError(number, os.strerror(number))
            return really(path, *arguments, **options)

        monkeypatch.setattr(files.os, "open", opened)

    return fail


def contents(folder: Path) -> dict[str, bytes]:
    """What is in each file that a run writes."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(name): path.read_bytes()
        for path in paths
        if names.is_written((name := path.relative_to(folder)).as_posix())
    }


@pytest.mark.parametrize("number", PASSING, ids=errno.errorcode.get)
@pytest.mark.parametrize(
    "name", [names.RECORD, names.CONFIG, names.MANIFEST, names.HISTORY, names.CURVES, "winning_seed0.safetensors"]
)
def test_nothing_is_made_anew_for_a_file_that_cannot_be_read_just_now(
    name: str, number: int, lth: Lth, run: Path, failing: Callable[[str, int], None]
) -> None:
    before = contents(run)
    failing(name, number)
    done = lth("run", "resume=run")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert name in done.stderr or "too many open files" in done.stderr
    assert contents(run) == before


def test_a_checkpoint_that_cannot_be_read_just_now_is_not_passed_over(
    tmp_path: Path, failing: Callable[[str, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = "00_dense_seed0.safetensors"
    cut_after(tmp_path, 0, monkeypatch, "checkpoint_every=2it", "executor=serial")
    before = contents(tmp_path)
    assert f"partial/{checkpoint}" in before
    failing(checkpoint, errno.EIO)
    with pytest.raises(OutOfReach, match=f"{checkpoint}: Input/output error"):
        start(tmp_path, "checkpoint_every=2it", "executor=serial", resume=True)
    assert contents(tmp_path)[f"partial/{checkpoint}"] == before[f"partial/{checkpoint}"]


def test_a_record_of_too_many_bytes_is_in_nobodys_way(lth: Lth, run: Path) -> None:
    os.truncate(run / names.RECORD, within.most(names.RECORD) + 1)
    before = contents(run)
    done = lth("run", "resume=run")
    assert done.returncode == 2
    assert f"run/{names.RECORD}: 16,777,217 bytes; at most 16,777,216 are read" in done.stderr
    assert contents(run) == before


def test_nothing_is_written_that_could_not_be_read_again(tmp_path: Path) -> None:
    (tmp_path / names.RECORD).write_text("as it was")
    with pytest.raises(OSError, match="16,777,217 bytes to write; at most 16,777,216 are read again"):
        within.write(tmp_path, names.RECORD, bytes(within.most(names.RECORD) + 1))
    assert (tmp_path / names.RECORD).read_text() == "as it was"


def test_a_record_of_a_thousand_rounds_with_hundreds_of_layers_and_many_remarks_is_read_again(tmp_path: Path) -> None:
    keep = [{f"stages.{n // 9}.blocks.{n % 9}.conv.weight": 10**6 - k for n in range(180)} for k in range(1001)]
    writer = Writer(tmp_path, "seed: 0\n", {"choices": {}, "keep": keep})
    for _ in range(3):
        writer.note("x" * 10**7)
    assert read_record(tmp_path)["keep"] == keep
    assert [len(note) for note in read_record(tmp_path)["notes"]] == [240]


def test_remarks_have_an_end(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "seed: 0\n", {"choices": {}})
    for n in range(1200):
        writer.note(f"remark {n}")
    writer.finish("failed", "y" * 10**8)
    record = read_record(tmp_path)
    assert record["notes"][999:] == ["remark 999", "and more, which were not kept"]
    assert len(record["error"]) == 10_000


def test_what_cannot_be_read_is_named_by_compare_and_verify(
    lth: Lth, run: Path, failing: Callable[[str, int], None]
) -> None:
    failing(names.MANIFEST, errno.EIO)
    for command, code in (("compare", 2), ("verify", 1)):
        done = lth(command, "run")
        assert done.returncode == code
        assert f"{names.MANIFEST}: Input/output error" in done.stdout + done.stderr
