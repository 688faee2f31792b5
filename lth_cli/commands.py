"""The commands: each is one function, which adds its parser and says what it calls.

Only the words of `lth run` are Hydra's. A call imports what it works with, so that `lth --help` imports none of it, and
returns the exit code.
"""

import argparse
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from lth_cli.command.plot import add_plot
from lth_cli.core.faults import UsageError, of_the_command_line
from lth_cli.core.spelling import nearest, say
from lth_cli.report.groups import GROUPS

if TYPE_CHECKING:
    from pathlib import Path

_DESCRIPTION = """
Lottery tickets: train, prune, rewind, retrain, and compare.

  lth run model=conv4 sparsity=0.9 rounds=10                             find a ticket; lth run --help for every key
  lth run -m rewind=init,early,late,learning_rate,none 'seed=range(5)'   a sweep
  lth watch                                                              how far the latest run or sweep is
  lth compare                                                            the latest run against its controls
  lth plot                                                               its pictures: accuracy, early stop, masks, …
  lth verify DIR                                                         check a run, or a sweep, from its files alone
  lth list runs                                                          what has run, and what came of it
  lth list models                                                        what there is
"""
_PATHS = "runs, sweeps, folders of them"
_OUTPUTS = "outputs"

T = TypeVar("T")
Add = Callable[..., argparse.ArgumentParser]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message + _suggestion(message, self))


def parser() -> argparse.ArgumentParser:
    """Of the whole command line; what it parses has the `call` of the command."""
    top = _Parser(prog="lth", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="store_true", help="print the version and stop")
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    commands.add_parser("run", help="train, prune and rewind over rounds; sweep with -m", add_help=False)
    for add in (_compare, add_plot, _verify, _list, _watch, _completion):
        add(commands.add_parser)
    return top


def names() -> list[str]:
    """Of the commands."""
    return list(_choices(parser()))


def _compare(add: Add) -> None:
    compare = add("compare", help="winning tickets, controls and dense side by side")
    compare.add_argument("paths", nargs="*", metavar="PATH", help=f"{_PATHS}, globs; default: latest")
    shown = compare.add_mutually_exclusive_group()
    shown.add_argument("--rounds", action="store_true", help="a row per round, not only the last")
    shown.add_argument("--at", type=_density, metavar="DENSITY", help="the round of each arm that is nearest to it")
    shown.add_argument("--budget", action="store_true", help="the rounds that equal search cost comes to")
    compare.add_argument("--arms", default="", metavar="ARM,…", help="these arms only")
    compare.add_argument("--where", metavar="CONDITIONS", help="such as 'rewind=late train.lr<=1e-3 sparsity>=0.9'")
    compare.add_argument("--by", default="", metavar="KEY,…", help="lay experiments side by side by it, such as rewind")
    compare.add_argument(
        "--baseline", metavar="RUN", help="hold each arm to the same arm of that run's experiment, too"
    )
    order = "order experiments by accuracy, density, …; --sort=-accuracy: best first"
    compare.add_argument("--sort", metavar="NUMBER", help=order)
    tolerance = "how far below dense is matching (default 1)"
    compare.add_argument("--tolerance", type=_tolerance, default=1.0, metavar="POINTS", help=tolerance)
    compare.add_argument("--format", choices=("table", "markdown", "latex", "csv", "json", "parquet"), default="table")
    compare.add_argument("-o", "--output", metavar="FILE", help="write there instead of the terminal")
    compare.add_argument("--plot", type=_picture, action="append", metavar="FILE", help="draw it (.png, .svg, .pdf)")

    def call(given: argparse.Namespace) -> int:
        from lth_cli.report.collected import NothingToCompare
        from lth_cli.report.comparison import Asked, report
        from lth_cli.results.experiment import every, last, nearest_to

        if given.output == "":
            raise UsageError("-o '': name a file")
        if given.format == "parquet" and given.output is None:
            raise UsageError("--format parquet: name a file with -o")
        rounds = every if given.rounds else last if given.at is None else nearest_to(given.at)
        arms, by = ([name for name in names.split(",") if name] for names in (given.arms, given.by))
        shown = (rounds, given.budget, given.tolerance, given.where, arms, by, given.baseline, given.sort)
        with of_the_command_line(NothingToCompare, ValueError):
            report(given.paths, Asked(*shown, given.format, given.output, given.plot or ()))
        return 0

    compare.set_defaults(call=call)


def _verify(add: Add) -> None:
    verify = add("verify", help="check hashes, counts, masks, controls and tickets of runs on disk")
    verify.add_argument("paths", nargs="+", metavar="DIR", help="a run, a sweep, or a folder of them")

    def call(given: argparse.Namespace) -> int:
        from lth_cli.report.verification import report

        return _usage(lambda: report(_paths(given.paths)))

    verify.set_defaults(call=call)


def _list(add: Add) -> None:
    listing = add("list", help=f"runs; {', '.join(GROUPS)}")
    config_dir: dict[str, Any] = {"metavar": "DIR", "help": "your own YAML too"}
    listing.add_argument("--config-dir", default=None, **config_dir)
    kinds = listing.add_subparsers(title="kinds", metavar="KIND", help="default: all that a config can choose")

    def call(given: argparse.Namespace) -> int:
        from lth_cli.report.listing import listing

        say(_usage(lambda: listing(given.kind, given.config_dir)).removesuffix("\n"))
        return 0

    listing.set_defaults(call=call, kind=None)
    _list_runs(kinds.add_parser)
    for group in GROUPS:
        kind = kinds.add_parser(group)
        kind.add_argument("--config-dir", default=argparse.SUPPRESS, **config_dir)  # keeps one that came before
        kind.set_defaults(kind=group)


def _list_runs(add: Add) -> None:
    runs = add("runs", help="what has run, is running, or did not end well", description="A line per run.")
    runs.add_argument("paths", nargs="*", metavar="PATH", help=f"{_PATHS}; default: {_OUTPUTS}")
    statuses = _Several(("done", "running", "failed", "interrupted", "killed", "damaged", "foreign"))
    chosen = f"only these, as failed,killed: {', '.join(statuses)}"
    runs.add_argument("--status", choices=statuses, metavar="STATUS", help=chosen)
    runs.add_argument("--format", choices=("table", "json"), default="table")

    def call(given: argparse.Namespace) -> int:
        from lth_cli.report.runs import report

        report(_folders(given.paths) or _paths([_OUTPUTS]), given.status and given.status.split(","), given.format)
        return 0

    runs.set_defaults(call=call)


def _watch(add: Add) -> None:
    watch = add("watch", help="follow runs and sweeps while they work, from any terminal; reads only")
    watch.add_argument("paths", nargs="*", metavar="PATH", help=f"{_PATHS}; default: latest")

    def call(given: argparse.Namespace) -> int:
        from lth_cli.report.watch import watch
        from lth_cli.rundir.shelf import newest

        found = None if given.paths else newest(*_paths([_OUTPUTS]))
        return _usage(lambda: watch(_folders(given.paths) if found is None else [found]))

    watch.set_defaults(call=call)


def _completion(add: Add) -> None:
    completion = add("completion", help="what a shell evaluates to complete lth; for bash, zsh or fish")
    completion.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")

    def call(given: argparse.Namespace) -> int:
        from lth_cli.command.completion import SCRIPTS

        say(SCRIPTS[given.shell].strip())
        return 0

    completion.set_defaults(call=call)


class _Several(tuple[str, ...]):
    """Choices of which several may be given, with commas between."""

    def __contains__(self, text: object) -> bool:
        return all(tuple.__contains__(self, word) for word in str(text).split(","))


def _usage(call: Callable[[], T]) -> T:
    try:
        return call()
    except ValueError as error:
        raise UsageError(str(error)) from None


def _paths(texts: Iterable[str]) -> "list[Path]":
    from pathlib import Path

    return [Path(text) for text in texts]


def _folders(texts: Iterable[str]) -> "list[Path]":
    for path in (paths := _paths(texts)):
        if not path.is_dir():
            raise UsageError(f"{path}: {'not a folder' if path.exists() else 'there is no such folder'}")
    return paths


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not a number of points from 0 to 100")
    return value


def _density(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a fraction of weights kept, in (0, 1]")
    return value


def _picture(text: str) -> str:
    if not text.endswith((".png", ".svg", ".pdf")) or not text.rpartition("/")[2].partition(".")[0]:
        raise argparse.ArgumentTypeError(f"{text} does not end in .png, .svg or .pdf")
    return text


def _suggestion(message: str, parser: argparse.ArgumentParser) -> str:
    """The nearest right spelling of an option, or of a choice."""
    if choice := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
        return nearest(choice[1].rpartition(",")[2], re.findall(r"[\w-]+", choice[2]))
    unknown = [word for word in message.split() if word.startswith("-")]
    return nearest(unknown[0], _options(parser)) if unknown and "unrecognized" in message else ""


def _options(parser: argparse.ArgumentParser) -> list[str]:
    """Of a parser, and of those below it."""
    own = [option for action in parser._actions for option in action.option_strings]
    return own + [option for below in _choices(parser).values() for option in _options(below)]


def _choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers below one, by their names."""
    found = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: below for named in found for name, below in named.items()}
