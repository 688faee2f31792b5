"""`lth verify`: what was checked in each run, and what is wrong."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from lth_cli.core.spelling import brief, clean, say
from lth_cli.rundir.find import find
from lth_cli.rundir.read import Damaged, read
from lth_cli.rundir.sweep import sweeps

_MOST_LINES = 10  # of one check that are shown


def report(paths: Sequence[Path]) -> int:
    """Verify the runs at or below `paths`, print a line per check, and return 0 if all is well, else 1.

    Of a sweep, all jobs that were expected must be there, and nothing of it contradict the rest. No run may be a copy
    of another under another seed.

    Raises:
        ValueError: no run is there.
    """
    runs = [run for path in paths for run in find(path)]
    found = sweeps(paths)
    if not runs and not found:
        raise ValueError(clean(f"no run directory: {', '.join(map(str, paths))}"))
    from lth_cli.results.checks.sweeps import contradictions, copied
    from lth_cli.results.checks.verify import verify

    bad = lost = 0
    for run in runs:
        try:
            checks, status = verify(run), read(run).status
        except Damaged as damaged:
            say(f"{clean(str(run))}: damaged\n  FAILED  {clean(str(damaged))}")
            bad += 1
            continue
        say(f"{clean(str(run))}: {status}")
        for check in checks:
            verdict = "FAILED" if check.wrong else "?" if check.not_known else "ok"
            say(f"  {verdict:<6}  {check.name:<9} {check.looked_at}")
            _list(check.wrong)
            for line in check.not_known[:_MOST_LINES]:
                say(f"          not known here: {brief(clean(line))}")
        bad += any(check.wrong for check in checks)
        sys.stdout.flush()
    for sweep in found:
        wrong = _guarded(contradictions(sweep.path))
        say(f"{sweep}{' (FAILED)' if sweep.lacks or wrong else ''}")
        _list(wrong)
        lost += sweep.lacks or bool(wrong)
    if wrong := _guarded(copied(runs, [sweep.path for sweep in found])):
        say("together: (FAILED)")
        _list(wrong)
        lost += 1
    say(f"{len(runs) - bad} of {len(runs)} {'run is' if len(runs) == 1 else 'runs are'} in order")
    return 1 if bad or lost else 0


def _guarded(lines: Iterator[str]) -> list[str]:
    """All of them, and what ended them: one folder must not hide what is known of the others."""
    from lth_cli.results.checks.verify import BROKEN

    found = list[str]()
    try:
        found.extend(lines)
    except (*BROKEN, Damaged) as error:
        found.append(f"{type(error).__name__}: {str(error)[:80]}")
    return found


def _list(wrong: Sequence[str]) -> None:
    for line in wrong[:_MOST_LINES]:
        say(f"          {brief(clean(line))}")
    if len(wrong) > _MOST_LINES:
        say(f"          and {len(wrong) - _MOST_LINES} more")
