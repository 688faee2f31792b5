"""Which runs are of one experiment, and what tells experiments apart; in time that is linear in what they say."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lth_cli.core.arms import go_on
from lth_cli.core.spelling import brief, clean
from lth_cli.rundir.config import flat
from lth_cli.rundir.read import Run
from lth_cli.rundir.sameness import BEFORE, same_experiment

_LONGEST = 1000  # characters of the name of an experiment


def identity(run: Run) -> str:
    """The same for runs whose configs differ in seeds only."""
    values = BEFORE | dict(flat(run.config))
    return json.dumps({key: value for key, value in values.items() if not same_experiment(key)}, sort_keys=True)


def experiments(runs: Sequence[Run]) -> list[str]:
    """A name for each, of the choices that differ, and the keys that differ under the same choice."""
    choices: list[dict[str, Any]] = [run.record.get("choices", {}) for run in runs]
    configs = [dict(flat(_told(run.config))) for run in runs]
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
    names = []
    for choice, values in zip(choices, configs, strict=True):
        name = " ".join([*_said(choice, of_group), *_said(values, of_key)])
        name = name or " ".join(str(choice.get(group, "")) for group in ("model", "dataset")).strip()
        names.append(brief(clean(name), width=_LONGEST))
    # Texts may still coincide, as of 1 and "1": number those.
    several, so_far = Counter(names), Counter[str]()
    for i, name in enumerate(names):
        so_far[name] += 1
        names[i] = name if several[name] == 1 else f"{name} #{so_far[name]}"
    return names


def _told(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without what follows from the choice of a rewind strategy."""
    follows = config.get("dense_retrained") == go_on(config)
    return {key: value for key, value in config.items() if key != "dense_retrained" or not follows}


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


def _said(one: Mapping[str, Any], places: Mapping[str, int]) -> Iterator[str]:
    """What a dict has under the keys that have a place, in their order; there may be many more keys than it has."""
    return (f"{key}={one[key]}" for key in sorted(one.keys() & places.keys(), key=places.__getitem__))
