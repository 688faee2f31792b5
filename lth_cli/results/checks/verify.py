"""`lth verify`: the checks that the science depends on, repeated from the files of a run alone. Nothing is executed."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import yaml

from lth_cli.core.spelling import brief
from lth_cli.results.checks import (
    arms,
    chosen,
    claims,
    composed,
    copies,
    counted,
    curves,
    lengths,
    moments,
    pruned,
    rounds,
    tickets,
)
from lth_cli.results.checks.files import Files, NotKnown
from lth_cli.rundir.read import Damaged, read


@dataclass(frozen=True)
class Check:
    """One thing that must hold.

    Args:
        name: in one word.
        looked_at: what was checked, in words.
        wrong: a line for each that is not as it must be.
        not_known: a line for what cannot be told, such as of a choice that is not lth's own.
    """

    name: str
    looked_at: str
    wrong: list[str]
    not_known: list[str]


_CHECKS: tuple[tuple[str, str, Callable[[Files], Iterator[str]]], ...] = (
    ("files", "SHA-256 of every file and row", rounds.files),
    ("claims", "run.json: as the manifest, the states and history", claims.claims),
    ("command", "what it says, as config.yaml and the choices", chosen.command),
    ("choices", "config.yaml as the options that were chosen", chosen.choices),
    ("composed", "config.yaml as Hydra and lth's own defaults have it", composed.composed),
    ("arms", "each that config.yaml asks for, in every table", arms.arms),
    ("counts", "weights kept: history and layers as the masks on disk", rounds.counts),
    ("curves", "accuracies of history as the learning curves", curves.curves),
    ("images", "accuracies are whole numbers of the images", counted.counted),
    ("nested", "no weight revived, round by round", rounds.nested),
    ("pruned", "tickets keep what magnitude, or lamp, likes best", pruned.pruned),
    ("pattern", "the masks of tickets are of the config's pattern", rounds.pattern),
    ("zeros", "pruned weights exactly zero, or what they are pruned to", rounds.zeros),
    ("weights", "weights unchanged where only masks are learned", rounds.weights),
    ("moments", "what optimizers remember, where tickets restart with it", moments.moments),
    ("controls", "each control beside its ticket", rounds.controls),
    ("lengths", "iterations as rewinding and each control ask", lengths.lengths),
    ("copies", "no seed and no control is another's copy", copies.copies),
    ("tickets", "mask of the last round, weights of the rewind point", tickets.tickets),
)
_MOST_LINES = 10_000  # of a check; a short file may be wrong in millions of places
_LONGEST = 1000  # characters of a line
BROKEN = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError),
    *(csv.Error, yaml.YAMLError),
)
"""What a check may raise of files that are nothing it expects; it ends that check only."""


def verify(path: Path) -> list[Check]:
    """Check one run directory.

    Raises:
        Damaged: it is so damaged that it cannot be read at all.
    """
    run = Files(read(path))
    if not run.keys and run.run.status != "done":
        return [Check("files", _CHECKS[0][1], [], ["no round was finished: there is nothing to check"])]
    found = []
    for name, looked_at, check in _CHECKS:
        lines = list(islice(_caught(run, check), _MOST_LINES))
        not_known = list(dict.fromkeys(str(line) for line in lines if isinstance(line, NotKnown)))
        found.append(Check(name, looked_at, [line for line in lines if not isinstance(line, NotKnown)], not_known))
    return found


def _caught(run: Files, check: Callable[[Files], Iterator[str]]) -> Iterator[str]:
    try:
        for line in check(run):  # of which each may hold a name of megabytes
            yield line if len(line) <= _LONGEST else type(line)(brief(line, lines=1, width=_LONGEST))
    except Damaged as damaged:
        yield str(damaged)
    except BROKEN as error:
        yield f"{type(error).__name__}: {str(error)[:80]}"
