"""Which runs are of one experiment, and what tells experiments apart; in time that is linear in what they say."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from lth_cli.core.arms import go_on
from lth_cli.core.spelling import brief, clean
from lth_cli.rundir.config import flat
from lth_cli.rundir.read import Run
from lth_cli.rundir.sameness import BEFORE, same_experiment

_LONGEST = 1000  # characters of the name of an experiment
_DATA = "dataset.sha256"  # under which the data itself tells experiments apart, as a key of its config
_DIGITS = 8  # of it, in a name

Said = Mapping[str, str]
"""What tells an experiment from others, by key."""


def identity(run: Run) -> str:
    """The same for runs on the same data, whose configs differ in seeds only."""
    values = BEFORE | dict(_flat(run))
    return json.dumps({key: value for key, value in values.items() if not same_experiment(key)}, sort_keys=True)


def experiments(runs: Sequence[Run]) -> list[tuple[str, Said]]:
    """A name for each, of the choices that differ, and the keys that differ under the same choice; and these."""
    choices: list[dict[str, Any]] = [run.record.get("choices", {}) for run in runs]
    configs = [dict(_told(run)) for run in runs]
    chosen = Counter(item for choice in choices for item in choice.items())
    choose = Counter(group for choice in choices for group in choice)

    def alike(i: int, key: str) -> tuple[Any, int]:
        """What the run `i` chose for the group of a key, and how many runs chose the same."""
        group = key.partition(".")[0]
        if group not in choices[i]:
            return None, len(runs) - choose[group]
        return choices[i][group], chosen[group, choices[i][group]]

    groups = [group for group in _differing(choices, lambda i, group: (None, len(runs))) if group != "experiment"]
    keys = [key for key in _differing(configs, alike) if not same_experiment(key)]
    of_group, of_key = ({one: i for i, one in enumerate(ones)} for ones in (groups, keys))
    every = [
        {**_said(choice, of_group), **_said(values, of_key)} for choice, values in zip(choices, configs, strict=True)
    ]
    names = [
        named(said) or named_by(choice.get(group, "") for group in ("model", "dataset"))
        for said, choice in zip(every, choices, strict=True)
    ]
    return list(zip(_numbered(names), every, strict=True))


def named(said: Said) -> str:
    """As ``rewind=init train.lr=0.01``."""
    return named_by(f"{key}={value}" for key, value in said.items())


def named_by(words: Iterable[object]) -> str:
    """Words as one name of a readable length."""
    return brief(clean(" ".join(map(str, words)).strip()), width=_LONGEST)


def _numbered(names: Sequence[str]) -> list[str]:
    """Texts may coincide, as of 1 and "1": those have a number, too."""
    several, so_far, taken = Counter(names), Counter[str](), {name for name, n in Counter(names).items() if n == 1}
    found = []
    for name in names:
        own = name
        while several[name] > 1 and (own in taken or own == name):
            so_far[name] += 1
            own = f"{name} #{so_far[name]}"
        taken.add(own)
        found.append(own)
    return found


def _flat(run: Run) -> Iterator[tuple[str, Any]]:
    """The values of its config by their keys, and what its data is, as far as it says so."""
    yield from flat(run.config)
    if (data := run.record.get("data_sha256")) is not None:
        yield _DATA, data


def _told(run: Run) -> Iterator[tuple[str, Any]]:
    """The same without what follows from the choice of a rewind strategy, and of data a few digits."""
    follows = run.config.get("dense_retrained") == go_on(run.config)
    for key, value in _flat(run):
        if key != "dense_retrained" or not follows:
            yield key, str(value)[:_DIGITS] if key == _DATA else value


def _differing(dicts: Sequence[Mapping[str, Any]], alike: Callable[[int, str], tuple[Any, int]]) -> list[str]:
    """The keys that some of the alike dicts have and others lack, or have with another value.

    Args:
        alike: the place of a dict, a key -> what alike dicts have the same, how many they are.
    """
    first, there, lacking, found = dict[Any, Any](), Counter[Any](), dict[Any, int](), dict[str, bool]()
    for i, one in enumerate(dicts):
        for key, value in one.items():
            kind, size = alike(i, key)
            place = key, kind
            there[place] += 1
            lacking[place] = size - there[place]
            found[key] = found.get(key, False) or value != first.setdefault(place, value)
    missing = {key for (key, _), count in lacking.items() if count}
    return [key for key, differs in found.items() if differs or key in missing]


def _said(one: Mapping[str, Any], places: Mapping[str, int]) -> dict[str, str]:
    """What a dict has under the keys that have a place, in their order; there may be many more keys than it has."""
    return {key: str(one[key]) for key in sorted(one.keys() & places.keys(), key=places.__getitem__)}
