"""`lth list runs`: a line per run and per job of a sweep, newest first."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from lth_cli.core.spelling import clean, gist, say
from lth_cli.report.numbers import density
from lth_cli.rundir.glance import STATUSES, Glance
from lth_cli.rundir.shelf import Group, groups

_WIDE = 100  # characters of a terminal, from which on dates have their year and their time
_ENDLESS = 100_000  # characters of a line where nobody looks: nothing is cut off
_NARROWEST = 30  # characters of a name and of what was overridden
_GAP = "  "
_TITLES = ("status", "when", "round", "best val", "at")

Cells = tuple[str, ...]


def report(paths: Sequence[Path], statuses: Collection[str] | None, form: str) -> None:
    """Print the runs at or below `paths`.

    Args:
        statuses: of those to print; None: all.
        form: table or json.
    """
    found = groups(paths)
    shown = [(group, group if statuses is None else group.only(statuses)) for group in found]
    shown = [(group, part) for group, part in shown if part.runs or statuses is None]
    if form == "json":
        say(json.dumps([_plain(part, run) for _, part in shown for run in part.runs], indent=2))
    elif not shown:
        which = "" if statuses is None or not found else f" is {' or '.join(statuses)}"
        say(f"no run{which} in {', '.join(map(str, paths))}{'' if found else '; start one with: lth run'}")
    else:
        for line in _table(shown, shutil.get_terminal_size((_ENDLESS, 0)).columns):
            say(line)


def counted(group: Group) -> str:
    """How many jobs of a sweep are how: ``12 done, 1 failed of 15 expected``."""
    counts = Counter(run.status for run in group.runs)
    there = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status]) or "none"
    return there if group.expected is None else f"{there} of {group.expected} expected"


def round_of(run: Glance) -> str:
    """As ``3/10``; before the end of round 0, ``-/10``."""
    if run.rounds is None:
        return ""
    return f"{'-' if run.round is None else run.round}/{run.rounds}"


def common(runs: Sequence[Glance]) -> list[str]:
    """The overrides that all of some runs have, where there are several."""
    if len(runs) < 2:
        return []
    others = [set(run.overrides) for run in runs if run.record]
    return [word for word in (runs[0].overrides if others else []) if all(word in other for other in others)]


def cut(text: str, width: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _table(shown: Sequence[tuple[Group, Group]], width: int) -> Iterator[str]:
    rows = {run.path: _cells(run, width) for _, part in shown for run in part.runs}
    sizes = [max(map(len, column)) for column in zip(_TITLES, *rows.values(), strict=True)]
    room = max(width - sum(sizes) - len(_GAP) * (len(sizes) + 1), _NARROWEST)

    def line(cells: Cells) -> str:
        sided = (
            f"{cell:{'<' if i < 2 else '>'}{size}}" for i, (cell, size) in enumerate(zip(cells, sizes, strict=True))
        )
        return _GAP + _GAP.join(sided)

    yield line(_TITLES)
    for path, members in groupby(shown, key=lambda one: one[0].path or one[0].runs[0].path.parent):
        blocks = list(members)
        yield _heading(path, blocks[0][0], width)
        runs = [run for _, part in blocks for run in part.runs]
        yield from (line(rows[run.path]) + _GAP + end for run, end in _ends(blocks[0][0], runs, room))


def _heading(path: Path, group: Group, width: int) -> str:
    if group.path is None:
        return clean(str(path))
    said = clean(f"{path}: {counted(group)}")
    words = clean(" ".join(common(group.runs)))
    return f"{said}{_GAP}{cut(words, room)}" if words and (room := width - len(said) - len(_GAP)) > 1 else said


def _ends(group: Group, runs: Iterable[Glance], room: int) -> Iterator[tuple[Glance, str]]:
    """The last part of each line: the name within the heading, and what was overridden or went wrong."""
    above = common(group.runs) if group.path is not None else []
    ends = []
    for run in runs:
        name = str(run.path.relative_to(group.path)) if group.path is not None else run.path.name or str(run.path)
        words = [word for word in run.overrides if word not in above and word not in name]
        ends.append((run, clean(name), clean(f"{' '.join(words)}{_GAP if words else ''}{gist(run.what)}")))
    longest = max((len(name) for _, name, _ in ends), default=0)
    said = max((len(text) for _, _, text in ends), default=0)
    of_name = min(longest, max(room - len(_GAP) - said, room * 3 // 5))
    for run, name, text in ends:
        yield run, f"{cut(name, of_name):{of_name}}{_GAP}{cut(text, max(room - len(_GAP) - of_name, 1))}".rstrip()


def _cells(run: Glance, width: int) -> Cells:
    best = run.best
    measured = ("", "") if best is None else (f"{100 * best.val_accuracy:.1f}", density(best.density))
    return run.status, _when(run.when, width >= _WIDE), round_of(run), *measured


def _when(seconds: float, wide: bool) -> str:
    try:
        then = time.localtime(seconds)
        if wide:
            return time.strftime("%Y-%m-%d %H:%M", then)
        return time.strftime("%H:%M" if then[:3] == time.localtime()[:3] else "%m-%d", then)
    except (OverflowError, ValueError, OSError):  # of a folder from no time that there was
        return "?"


def _plain(group: Group, run: Glance) -> dict[str, Any]:
    best = run.best
    return {
        "path": str(run.path),
        "sweep": None if group.path is None else str(group.path),
        "status": run.status,
        "started": run.record.get("started"),
        "ended": run.record.get("ended"),
        "overrides": run.overrides,
        "round": run.round,
        "rounds": run.rounds,
        "best": None
        if best is None
        else {"round": best.round, "density": best.density, "val_accuracy": best.val_accuracy},
        "what": run.what,
    }
