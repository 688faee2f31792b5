"""`lth watch`: runs and sweeps while they work, from what is in their folders."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.live import Live
from rich.text import Text

from lth_cli.core.spelling import brief, clean, gist, say
from lth_cli.report import pace
from lth_cli.report.numbers import density
from lth_cli.report.runs import common, counted, cut, round_of
from lth_cli.report.sweep import clock
from lth_cli.report.terminal import Terminal, is_watched
from lth_cli.rundir.config import read_config
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.glance import Glance, glance, is_settled, stamp
from lth_cli.rundir.record import status
from lth_cli.rundir.shelf import Group, groups
from lth_cli.rundir.under_way import Training, ends, trainings

_REFRESH = 1.0  # seconds
_MOST_ROUNDS = 10_000  # of which the times are looked at
_MOST_TRAININGS = 3  # of a run that are shown
_MOST_AT_WORK = 100  # runs of which the trainings are looked at
_STYLES = {"done": "green", "running": "bold", "foreign": "dim"}
_ORDER = ("running", "failed", "killed", "interrupted", "damaged", "done", "foreign")


@dataclass
class Watched:
    """What was seen of each run, so that only what changed is read again."""

    seen: dict[Path, tuple[object, Glance]] = field(default_factory=dict)
    trained: dict[Path, list[int]] = field(default_factory=dict)
    kept: dict[Path, list[Training]] = field(default_factory=dict)

    def __call__(self, path: Path) -> Glance:
        """A run now; one that is damaged only because it is being written is as it was."""
        now = stamp(path)
        before, last = self.seen.get(path, (None, None))
        if last is None or before != now or not last.record:
            found = glance(path)
            if found.status == "damaged" and not is_settled(path):
                return last or replace(found, status="running", what="")
            self.seen[path] = now, found
            return found
        return replace(last, status=status(last.record)) if last.status == "running" else last

    def look(self, paths: Sequence[Path]) -> list[Group]:
        """All that is there now."""
        self.kept.clear()
        return groups(paths, self)

    def in_work(self, run: Glance) -> list[Training]:
        """Trainings that were kept and had not ended then, read once per look."""
        if run.status != "running" or (run.path not in self.kept and len(self.kept) >= _MOST_AT_WORK):
            return []
        if run.path not in self.kept:
            self.kept[run.path] = trainings(run.path)
        return [one for one in self.kept[run.path] if one.done is None or one.done < run.record.get("iterations", 0)]

    def left(self, run: Glance) -> float | None:
        """Seconds that are left of a run that works."""
        rounds = run.rounds
        if rounds is None or rounds > _MOST_ROUNDS:
            return None
        if run.path not in self.trained:
            try:
                self.trained[run.path] = pace.networks(read_config(run.path), rounds)
            except Damaged:
                return None
        return pace.of_run(run, self.trained[run.path], ends(run.path, rounds + 1), time.time())


def watch(paths: Sequence[Path]) -> int:
    """Show what the runs at or below `paths` do until none works any more; 0 if all are done, else 1.

    Raises:
        ValueError: there is no run.
    """
    watched, console = Watched(), Terminal()
    if is_watched(console):
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            for found in _looks(paths, watched):
                live.update(_screen(found, watched, console.width - 1, console.height - 1), refresh=True)
    else:
        said = dict[Path, object]()
        for found in _looks(paths, watched):
            for line in _news(found, watched, said):
                say(line)
            sys.stdout.flush()
    runs = [run for group in found for run in group.runs]
    return (
        0 if all(run.status in ("done", "foreign") for run in runs) and not any(group.missing for group in found) else 1
    )


def _looks(paths: Sequence[Path], watched: Watched) -> Iterator[list[Group]]:
    """What is there, each second, up to when nothing works any more."""
    while True:
        found = watched.look(paths)
        only_foreign = all(run.status == "foreign" for group in found for run in group.runs)
        begins = only_foreign and any(not is_settled(path) for path in paths)  # a folder, just made
        if only_foreign and not begins and not any(group.path for group in found):
            raise ValueError(f"nothing to watch: no run in {', '.join(map(str, paths)) or 'outputs'}")
        yield found
        if not begins and not any(group.is_at_work for group in found):
            return
        time.sleep(_REFRESH)


def _news(found: Sequence[Group], watched: Watched, said: dict[Path, object]) -> Iterator[str]:
    """A line for each run and sweep of which something else is to be said than before."""
    for group in found:
        new = group.path is not None and group.path not in said
        for run in sorted(group.runs, key=lambda run: run.when):
            key = (run.status, run.round, [(one.round, one.arm, one.seed) for one in watched.in_work(run)])
            if said.get(run.path) != key and not (new and run.status == "done"):
                yield brief(f"{clean(str(run.path))}: {', '.join(_parts(run, watched))}", lines=1)
            said[run.path] = key
        if group.path is not None:
            if new or (not group.is_at_work and said[group.path] != counted(group)):
                yield clean(_heading(group))
            said[group.path] = counted(group) if not group.is_at_work else ""


def _screen(found: Sequence[Group], watched: Watched, width: int, height: int) -> Text:
    """As many lines as there is room for: of each sweep how its jobs are, and first of all what runs."""
    lines = list[tuple[str, str]]()
    for group in found:
        if group.path is not None:
            words = " ".join(common(group.runs))
            lines.append((f"{_heading(group)}{f'  {words}' if words else ''}", "bold"))
        for run in sorted(group.runs, key=lambda run: _ORDER.index(run.status)):
            name = str(run.path if group.path is None else run.path.relative_to(group.path))
            style = _STYLES.get(run.status, "red")
            lines.append((f"{'' if group.path is None else '  '}{name}", style))
            lines += [(f"    {part}", style) for part in [", ".join(_parts(run, watched))]]
    if len(lines) > height:
        lines = [*lines[: height - 1], (f"and {len(lines) - height + 1} more lines; lth list runs has all", "dim")]
    return Text("\n").join(Text(cut(clean(line), width), style=style, no_wrap=True) for line, style in lines)


def _heading(group: Group) -> str:
    left = pace.of_sweep(group) if group.is_at_work else None
    return f"{group.path}: {counted(group)}{'' if left is None else f', left {clock(left)}'}"


def _parts(run: Glance, watched: Watched) -> Iterator[str]:
    """What there is to say of a run, the dearest first."""
    yield run.status if run.record or run.status != "running" else "starting"
    if round_of(run):
        yield f"round {round_of(run)}"
    if run.dense is not None:
        yield f"dense {100 * run.dense.val_accuracy:.1f}% val"
    if run.winning:
        yield f"winning {100 * run.winning[-1].val_accuracy:.1f}% val at {density(run.winning[-1].density)}"
    if run.status == "running":
        left = watched.left(run)
        if left is not None:
            yield f"left {clock(left)}"
        for one in watched.in_work(run)[:_MOST_TRAININGS]:
            others = f" and {one.others} more" if one.others else ""
            reached = "" if one.done is None else f" it {one.done:,}/{run.record.get('iterations', 0):,}"
            yield f"round {one.round} {one.arm} seed {one.seed}{others}{reached}"
    if run.what:
        yield gist(run.what)
