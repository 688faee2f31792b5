"""The checks of several runs: a sweep's record by its command, its names by their configs, and no run is a copy."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lth_cli.core.arms import DENSE
from lth_cli.core.tensors import sha256
from lth_cli.results.checks.copies import dense_curve
from lth_cli.results.overrides import disagree, lookup, parse
from lth_cli.rundir import names
from lth_cli.rundir.command import take_apart
from lth_cli.rundir.damaged import UNREADABLE
from lth_cli.rundir.find import find
from lth_cli.rundir.read import Damaged, Run, read
from lth_cli.rundir.restore import read_state
from lth_cli.rundir.sweep import hydras_overrides, read_sweep
from lth_cli.rundir.tables import read_table

_MOST_JOBS, _MOST_COUNTED = 10_000, 1_000_000
_WORD = re.compile(r"\+{0,2}([A-Za-z_][\w./-]*)=(.*)", re.DOTALL)
_RANGE = re.compile(r"range\((-?\d{1,9}(?:, *-?\d{1,9}){0,2})\)")
_ITEM = re.compile(r"[\w./:%+-]+")
_HASHED = re.compile(r".*-[0-9a-f]{8}")  # a name that had to be changed or cut
_TRAIN = ("train.lr", "train.batch_size", "train.optimizer", "init")  # no two of which give the same dense network


def contradictions(path: Path) -> Iterator[str]:
    """What files of a sweep contradict each other in; of what is damaged, others tell."""
    try:
        expected, jobs, command = read_sweep(path)
    except Damaged:
        return
    yield from _planned(expected, jobs, _words(command or ""), "its command")
    with suppress(*UNREADABLE):  # where Hydra has recorded nothing, nothing contradicts
        yield from _planned(expected, jobs, ["lth", "run", *hydras_overrides(path)], names.HYDRA_SWEEP)
    runs, listed = list(_runs(path)), frozenset(jobs)
    for name, run in runs:
        if name in listed and not _HASHED.fullmatch(name):
            said = parse(_parts(name))
            for one, there in disagree(said, run.config, run.record.get("choices", {})):
                yield f"{name}: the folder is called {one[:80]}, {there[:80]}"
    yield from _copies(runs)


def copied(paths: Sequence[Path], sweeps: Sequence[Path]) -> Iterator[str]:
    """Runs whose dense network is another's of another seed, or learnt as that did; those of one sweep tell it there.

    Nothing is said of one seed: other versions of lth, and copies of a folder, honestly have the same.
    """
    first = dict[str, tuple[Path, int]]()
    for path in paths:
        try:
            run = read(path)
        except Damaged:
            continue
        for seed, same in _dense(run):
            other, of = first.setdefault(same, (path, seed))
            if other == path or seed == of:
                continue
            if not any(path.is_relative_to(sweep) and other.is_relative_to(sweep) for sweep in sweeps):
                yield f"{path}: its dense network of seed {seed} is that of seed {of} in {other}"
                break


def _runs(path: Path) -> Iterator[tuple[str, Run]]:
    for folder in find(path):
        with suppress(Damaged):
            yield str(folder.relative_to(path)), read(folder)


def _planned(expected: int | None, jobs: Sequence[str], words: Sequence[str], who: str) -> Iterator[str]:
    """How many jobs a command asks for, and which; where it sweeps over plain lists and ranges only.

    A sweep that went on with others, or in part, has more than that, but never fewer.
    """
    swept = _swept(words)
    if expected is None or swept is None:
        return
    count = 1
    for values in swept.values():
        count *= len(values)
        if count > _MOST_COUNTED:  # a short command may ask for numbers of thousands of digits
            yield f"{names.SWEEP}: {str(expected)[:40]} jobs expected, {who} asks for more than {_MOST_COUNTED:,}"
            return
    if expected < count:
        yield f"{names.SWEEP}: {str(expected)[:40]} jobs expected, {who} asks for {count}"
        return
    if not jobs or not swept or count > _MOST_JOBS or any(map(_HASHED.fullmatch, jobs)):
        return
    there = _named(jobs, {key: {_plain(str(value)) for value in values} for key, values in swept.items()})
    if there < count:
        yield f"{names.SWEEP}: its jobs are not those of {who}: it names {there:,} of {count:,}"


def _named(jobs: Sequence[str], swept: Mapping[str, set[str]]) -> int:
    """How many jobs of a command are named, of which a short one may have gigabytes: they are not listed."""
    there = set[frozenset[tuple[str, str]]]()
    for name in jobs:
        parts = [_split(part) for part in _parts(name)]
        job = {key: _plain(text) for key, text in parts}
        if len(parts) == len(swept) and all(job.get(key) in values for key, values in swept.items()):
            there.add(frozenset(job.items()))
    return len(there)


def _words(command: str) -> list[str]:
    try:
        return take_apart(command)
    except ValueError:
        return []


def _swept(words: Sequence[str]) -> dict[str, Sequence[object]] | None:
    """The values of each key that has several, in a command; None where only Hydra, or a sweeper, knows them."""
    if words[:2] != ["lth", "run"]:
        return None
    found, seen = dict[str, Sequence[object]](), set[str]()
    for word in (word for word in words[2:] if not word.startswith("-")):
        key, text = _split(word)
        if key in ("hydra/sweeper", "hydra.sweep.subdir") or key in seen or "@" in key:
            return None
        seen.add(key)
        if "," not in text and "(" not in text:
            continue
        values = _values(text)
        if values is None:
            return None
        if len(values) > 0:
            found[key] = values
    return found


def _values(text: str) -> Sequence[object] | None:
    """Those of a list or a range; none of one value with commas in it; None where it is not plain."""
    if ranged := _RANGE.fullmatch(text):
        ends = [int(end) for end in ranged[1].split(",")]
        values = range(*ends) if len(ends) < 3 or ends[2] != 0 else range(0)
        return values if 0 < len(values) <= _MOST_JOBS else None
    if re.fullmatch(r"\[[\w./:%+, -]*\]", text):
        return []
    items = text.split(",")
    return items if all(_ITEM.fullmatch(item) for item in items) else None


def _parts(name: str) -> list[str]:
    """The overrides that the name of a folder is made of."""
    return re.split(r",(?=[+~]{0,2}[A-Za-z_][\w./-]*=)", name)


def _split(word: str) -> tuple[str, str]:
    found = _WORD.fullmatch(word)
    return (found[1], found[2]) if found else (word.lstrip("+~").partition("=")[0], "")


def _plain(text: str) -> str:
    """A number as Hydra may write it otherwise, such as 1e-3 and 0.001."""
    for number in (int, float):
        with suppress(ValueError):
            return repr(number(text))
    return text.lower() if text.lower() in ("true", "false", "null") else text


def _copies(runs: Sequence[tuple[str, Run]]) -> Iterator[str]:
    """Dense networks of two seeds, or of two ways to train, that are the same, or that learnt just the same."""
    first = dict[str, tuple[str, int, Run]]()
    for name, run in runs:
        for seed, same in _dense(run):
            other, of, theirs = first.setdefault(same, (name, seed, run))
            if other != name and (seed != of or _trains_otherwise(run, theirs)):
                yield f"{name}: its dense network of seed {seed} is that of seed {of} in {other}"
                break


def _dense(run: Run) -> Iterator[tuple[int, str]]:
    """Each seed with the hash of its dense network, and with its learning curve."""
    with suppress(Damaged, ValueError, TypeError, RuntimeError):
        curves = read_table(run.path, names.CURVES, run.record["format"])
        for seed in [row["seed"] for row in run.history if row["arm"] == DENSE]:
            key = (0, DENSE, seed)
            yield seed, sha256(read_state(run.path, names.state(key))[1].params)
            if curves.get(key):
                yield seed, dense_curve(curves[key])


def _trains_otherwise(run: Run, other: Run) -> bool:
    lengths = [one.record.get("iterations") for one in (run, other)]
    return lengths[0] != lengths[1] or any(lookup(run.config, key) != lookup(other.config, key) for key in _TRAIN)
