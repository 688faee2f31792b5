"""The finished runs that paths on the command line lead to, and what is said of the others."""

import glob
import json
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

from lth_cli.core.files import held
from lth_cli.rundir.claims import changed_in
from lth_cli.rundir.find import find, latest
from lth_cli.rundir.read import Damaged, Run, read
from lth_cli.rundir.record import of_results

_MOST = 4 * 2**30  # bytes that all runs together take, or about
_MANY, _AT_ONCE = 500, 8  # runs that are worth several processes, and those that one is given at a time
_OF_A_ROW, _OF_A_CHARACTER = 1200, 20  # of history, and of what else is kept of a run

Found = tuple[Path, Path]
"""The folder of a run, and the one that was named, at or above it."""


class NothingToCompare(Exception):
    """No finished run was found."""


def collect(paths: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """The finished runs, as far as there is room, and a line for each that is missing, damaged or not finished."""
    runs: dict[Path, Run] = {}
    folders, skipped, room = list[Found](), list[str](), _MOST
    for path in paths:
        found = find(path)
        folders += [(folder, path) for folder in found]
        if not found:
            skipped.append(f"no run directory: {path}" if path.exists() else f"missing: {path}")
    for (folder, _), run in zip(folders, _read(folders), strict=True):
        if isinstance(run, str):
            skipped.append(run)
        elif (size := _size(run)) > room:
            skipped.append(f"left out: {folder}: too large beside {len(runs):,} others; name fewer at once")
        else:
            room -= size
            runs[folder.resolve()] = run
            skipped += [f"diverged: {folder}: {one['what']}" for one in run.record.get("diverged", [])]
    return list(runs.values()), skipped


def _read(folders: Sequence[Found]) -> Iterator[Run | str]:
    """What each is, as `_examined` says; of many on all cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(folders) < _MANY or cores == 1:
        yield from map(_examined, folders)
        return
    pool = ProcessPoolExecutor(cores, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        yield from pool.map(_examined, folders, chunksize=_AT_ONCE)
    except BrokenProcessPool:
        raise ChildProcessError("a process that reads runs was killed, perhaps for want of memory") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _examined(found: Found) -> Run | str:
    """What results need of a finished run, or a line of what else it is; all is read in the folder that was found."""
    folder, above = found
    texts = dict[str, bytes]()
    try:
        with held(folder, above):
            run = read(folder, texts)
            lost = changed_in(folder, run.record, texts)
    except Damaged as damaged:
        return f"damaged: {damaged}"
    except OSError as lost_folder:
        return f"damaged: {folder}: {lost_folder.strerror}"
    if lost is not None:
        return f"damaged: {lost}"
    if run.status == "done":
        return replace(run, record=of_results(run.record))
    error = str(run.record.get("error") or "").partition("\n")[0]
    return f"{run.status}: {folder}{f': {error}' if error else ''}"


def _size(run: Run) -> int:
    """The bytes that it takes, or about."""
    return len(run.history) * _OF_A_ROW + len(json.dumps([run.config, run.record])) * _OF_A_CHARACTER


def expand(paths: Sequence[str]) -> list[Path]:
    """Globs as what they stand for; without any, the latest run or sweep."""
    if not paths:
        newest = latest(Path("outputs"))
        return [] if newest is None else [newest]
    found = []
    for path in paths:  # a folder may be called a[1]
        matching = sorted(one for one in glob.glob(path) if not Path(one).is_symlink())  # which nobody typed
        found += [path] if Path(path).exists() else matching or [path]
    return [Path(path) for path in found]
