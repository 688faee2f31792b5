"""The finished runs that paths on the command line lead to, and what is said of the others."""

import glob
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lth_cli.rundir.claims import changed_in
from lth_cli.rundir.find import find, latest
from lth_cli.rundir.read import Damaged, Run, read
from lth_cli.rundir.record import of_results

_MOST = 4 * 2**30  # bytes that all runs together take, or about
_OF_A_ROW, _OF_A_CHARACTER = 1200, 20  # of history, and of what else is kept of a run


class NothingToCompare(Exception):
    """No finished run was found."""


def collect(paths: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """The finished runs, as far as there is room, and a line for each that is missing, damaged or not finished."""
    runs: dict[Path, Run] = {}
    skipped, room = [], _MOST
    for path in paths:
        found = find(path)
        if not found:
            skipped.append(f"no run directory: {path}" if path.exists() else f"missing: {path}")
        for folder in found:
            try:
                run = read(folder)
            except Damaged as damaged:
                skipped.append(f"damaged: {damaged}")
                continue
            if lost := changed_in(folder, run.record):
                skipped.append(f"damaged: {lost}")
            elif run.status == "done":
                run = replace(run, record=of_results(run.record))
                if (size := _size(run)) > room:
                    skipped.append(f"left out: {folder}: too large beside {len(runs):,} others; name fewer at once")
                    continue
                room -= size
                runs[folder.resolve()] = run
                skipped += [f"diverged: {folder}: {one['what']}" for one in run.record.get("diverged", [])]
            else:
                error = str(run.record.get("error") or "").partition("\n")[0]
                skipped.append(f"{run.status}: {folder}{f': {error}' if error else ''}")
    return list(runs.values()), skipped


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
        found += [path] if Path(path).exists() else sorted(glob.glob(path)) or [path]
    return [Path(path) for path in found]
