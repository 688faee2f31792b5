"""Overrides, as ``key=value``: rewritten for Hydra, laid on top of others, and taken apart into the jobs of a sweep.

``sparsity=0.9`` is rewritten although `sparsity` is a config group: Hydra refuses a number on the key of a group before
it asks any config source, so no plugin or file could take it.
"""

import hashlib
import itertools
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, IntervalSweep, Override, Quote, QuotedString, RangeSweep

from lth_cli.command.explain import first_line
from lth_cli.setup.conf import options
from lth_cli.setup.schema import ConfigError

_LONGEST = 100
_MOST_JOBS = 10_000
_MOST_OVERRIDES = 200_000  # of all jobs of a sweep together
_LARGEST = 2**53  # number in a range
_REACHES_OUT = frozenset(("root", "download", "debian", "ticket", "_args_"))
_ALLOWED = "the fraction of weights removed, in [0, 1)"


def rewrite(overrides: list[str]) -> list[str]:
    """Turn ``sparsity=<numbers>`` into ``sparsity.target=<numbers>``; leave everything else as it is.

    Raises:
        ConfigError: a number outside [0, 1), numbers and names of schedules mixed in one sweep, a control named twice.
        hydra.errors.OverrideParseException: an override that is not of Hydra's grammar.
    """
    for text in overrides:
        if text.startswith("controls="):
            _refuse_repetition(text)
    return [_rewrite(text) if text.lstrip("+").startswith("sparsity") else text for text in overrides]


def merge(before: list[str], after: list[str]) -> list[str]:
    """Overrides on top of others: a key or group that is named again takes its new value."""
    again = {override.key_or_group for override in _parsed(after)}
    kept = [text for text, one in zip(before, _parsed(before), strict=True) if one.key_or_group not in again]
    return kept + after


def interpolates(override: str) -> bool:
    """Whether there may be an interpolation in it; Hydra reads $\\{ as ${."""
    return "$" in override and "{" in override


def reaches_out(override: str) -> bool:
    """Whether it says, at any depth, where data or a ticket is read from, or to download; or an argument by no name."""
    (parsed,) = _parsed([override])  # of a deletion the value is None
    said = _said(tuple(parsed.key_or_group.split(".")), parsed.value())
    return any(value not in (None, False) and not _REACHES_OUT.isdisjoint(keys) for keys, value in said)


def _said(keys: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each value in a value, also of each of several, with the keys that it is under."""
    yield keys, value
    for key, one in value.items() if isinstance(value, dict) else ():
        yield from _said((*keys, *str(key).split(".")), one)
    for one in value.list if isinstance(value, ChoiceSweep) else value if isinstance(value, list) else ():
        yield from _said(keys, one)


def swept(overrides: list[str]) -> list[str]:
    """The keys that take several values in a multirun."""
    return [override.key_or_group for override in _parsed(overrides) if override.is_sweep_override()]


def jobs(overrides: list[str], loader: ConfigLoader | None = None) -> Iterator[list[str]]:
    """The overrides of each job of a multirun, as Hydra's basic sweeper makes them.

    An interval stands for what only another sweeper can expand, and is left out.

    Args:
        loader: knows the options that a glob stands for; without it, globs are left out, too.

    Raises:
        ConfigError: there are more than a sweep may have.
    """
    choices = dict[str, list[str]]()
    for override in _parsed(overrides, loader):
        key = override.get_key_element()
        if not override.is_sweep_override():
            choices[key] = [override.input_line or ""]  # of a key that is named twice, the last one counts
        elif isinstance(override.value(), ChoiceSweep | RangeSweep) or (loader is not None and _is_glob(override)):
            count = _count(override)
            if count * math.prod(len(values) for other, values in choices.items() if other != key) > _MOST_JOBS:
                raise ConfigError(f"{override.input_line}: a sweep of more than {_MOST_JOBS:,} jobs")
            choices[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
    if (all_of_them := len(choices) * math.prod(map(len, choices.values()))) > _MOST_OVERRIDES:
        raise ConfigError(f"{all_of_them:,} overrides in all jobs of the sweep together: at most {_MOST_OVERRIDES:,}")
    return (list(job) for job in itertools.product(*choices.values()))


def known_names(overrides: list[str]) -> list[str]:
    """The folders of a multirun's jobs; none where only Hydra, or another sweeper, knows what they are."""
    several = [override for override in _parsed(overrides) if override.is_sweep_override()]
    if not all(isinstance(override.value(), ChoiceSweep | RangeSweep) for override in several):
        return []
    return [job_name(job, [override.key_or_group for override in several]) for job in jobs(overrides)]


def chosen(overrides: list[str], is_group: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Each option that is chosen of a config group, with the override that chooses it."""
    for text, override in zip(overrides, _parsed(overrides), strict=True):
        if is_group(override.key_or_group):
            yield from ((text, option) for option in _texts(override.value()))


def says_yes(overrides: list[str], key: str) -> bool:
    """Whether a key is set, and to anything but false or nothing."""
    values = [override.value() for override in _parsed(overrides) if override.key_or_group == key]
    return bool(values) and values[-1] not in (False, None, "false", 0)


def no_option(overrides: list[str]) -> tuple[str, str] | None:
    """A group and what is chosen of it, where that cannot be the name of an option, such as ``model=3``."""
    for override in _parsed(overrides):
        value: Any = override.value()
        for one in value if isinstance(value, list) else [value]:
            if override.key_or_group in options() and not override.is_delete() and not isinstance(one, str | dict):
                return override.key_or_group, Override._get_value_element_as_str(one)
    return None


def quoted(key: str, value: str) -> str:
    """An override that gives a key just this text."""
    return f"{key}={QuotedString(value, Quote.single).with_quotes()}"


def job_name(overrides: Sequence[str], keys: Sequence[str] = ()) -> str:
    """The folder of a sweep's job: its overrides of `keys` (all, if none are named), sorted, safe as a file name.

    A name that had to be changed or cut ends in a hash of the whole, so that two jobs never share one.
    """
    wanted = frozenset(keys)
    named = sorted(text for text in overrides if not wanted or text.lstrip("+~").partition("=")[0] in wanted)
    whole = ",".join(named) or "job"
    safe = re.sub(r"[^\w.,=+~\[\]-]", "_", whole, flags=re.ASCII)[:_LONGEST]
    return safe if safe == whole else f"{safe}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _parsed(overrides: list[str], loader: ConfigLoader | None = None) -> list[Override]:
    parser, parsed = OverridesParser.create(loader), list[Override]()
    for text in overrides:
        with _readable(text):
            parsed += parser.parse_overrides([text])
    return parsed


@contextmanager
def _readable(text: str) -> Iterator[None]:
    """Hydra's parser lets errors of Python pass, as for a number of 5,000 digits, or a list of lists without end."""
    try:
        yield
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{text}: {first_line(error)}") from error


def _count(override: Override) -> int:
    """How many values a sweep of one key has, without making them: a range may have any number, or no end.

    Raises:
        ConfigError: more than a sweep may have jobs.
    """
    value, count = override.value(), 1
    if isinstance(value, ChoiceSweep):
        count = len(value.list)
    elif _is_glob(override) and override.config_loader is not None:
        count = sum(1 for _ in override.sweep_iterator())
    elif isinstance(value, RangeSweep):
        start, stop, step = value.start or 0, value.stop or 0, value.step
        # Beyond, to add a step may change nothing; and of nan, no comparison is true.
        if step == 0 or not all(abs(end) <= _LARGEST for end in (start, stop, step)):
            raise ConfigError(f"{override.input_line}: a range of numbers up to {_LARGEST:,}, by a step that is not 0")
        count = math.ceil(max(0, min((stop - start) / step, _MOST_JOBS + 1)))
    if count > _MOST_JOBS:
        raise ConfigError(f"{override.input_line}: a sweep of more than {_MOST_JOBS:,} jobs")
    return count


def _refuse_repetition(text: str) -> None:
    """Of a control that is named twice, of which Hydra would make one."""
    (override,) = _parsed([text])
    for value in _values(override):
        names = value if isinstance(value, list) else []
        if again := [name for i, name in enumerate(names) if name in names[:i]]:
            raise ConfigError(f"{text}: {again[0]} is named twice")


def _rewrite(text: str) -> str:
    with _readable(text):
        override = OverridesParser.create().parse_override(text)
    if override.key_or_group not in ("sparsity", "sparsity.target") or override.is_delete():
        return text
    values = _values(override)
    numbers = [value for value in values if _is_number(value)]
    for number in numbers:
        if not 0 <= number < 1:
            raise ConfigError(f"{override.key_or_group}={number}: {_ALLOWED}")
    if override.key_or_group == "sparsity.target" or not numbers:
        return text
    if len(numbers) < len(values):
        mixed = ",".join(map(str, values))
        raise ConfigError(
            f"sparsity={mixed}: schedules and numbers do not mix in one sweep\n"
            "write the schedule and its targets apart: sparsity=geometric,linear sparsity.target=0.5,0.9"
        )
    if isinstance(override.value(), IntervalSweep):
        return f"sparsity.target={text.partition('=')[2]}"
    return "sparsity.target=" + ",".join(map(str, numbers))


def _values(override: Override) -> list[Any]:
    value = override.value()
    if isinstance(value, ChoiceSweep):
        return [getattr(item, "text", item) for item in value.list]
    if isinstance(value, RangeSweep):
        _count(override)  # refuses what has no end
        # range(0.5,0.9,0.2) would yield 0.7000000000000001.
        return [round(float(item), 10) for item in value.range()]
    if isinstance(value, IntervalSweep):
        return [value.start, value.end]
    return [] if isinstance(value, Glob) else [value]


def _texts(value: Any) -> Iterator[str]:
    for one in value.list if isinstance(value, ChoiceSweep) else value if isinstance(value, list) else [value]:
        if isinstance(one, list):
            yield from _texts(one)
        elif isinstance(text := getattr(one, "text", one), str):
            yield text


def _is_glob(override: Override) -> bool:
    return isinstance(override.value(), Glob)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
