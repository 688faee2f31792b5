"""argv -> one call. The only place where errors become messages and exit codes.

Exit codes: 0 done; 1 a job failed; 2 the command line or the config is wrong; 130 interrupted; 143 terminated.
Hydra, rich and torch are imported only when work begins.
"""

import argparse
import contextlib
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from lth_cli.command.plot import add_plot
from lth_cli.core.faults import UsageError, lack
from lth_cli.core.signals import Signals, Terminated
from lth_cli.core.spelling import brief, nearest, say
from lth_cli.core.streams import described, give_up_stdout, open_closed

_COMMANDS = ("run", "compare", "plot", "verify", "list", "completion")
_DESCRIPTION = """
Lottery tickets: train, prune, rewind, retrain, and compare.

  lth run model=conv4 sparsity=0.9 rounds=10                             find a ticket; lth run --help for every key
  lth run -m rewind=init,early,late,learning_rate,none 'seed=range(5)'   a sweep
  lth compare                                                            the latest run against its controls
  lth plot                                                               its pictures: accuracy, early stop, masks, …
  lth verify DIR                                                         check a run, or a sweep, from its files alone
  lth list models                                                        what there is
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message + _suggest_option(message, self))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    warnings.formatwarning = _one_line
    open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± still gets its table
    try:
        if foreign := [word for word in arguments if word != word.encode(errors="replace").decode()]:
            name = foreign[0].encode("ascii", "backslashreplace").decode()
            raise UsageError(f"{name}: the command line is not UTF-8, or this locale is not: try LC_ALL=C.UTF-8")
        with Signals().in_order():
            code = _dispatch(arguments)
            sys.stdout.flush()
        if argv is None:  # all is done but for Python's own tidying up, which a signal would only make look otherwise
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return code
    except KeyboardInterrupt as interrupt:
        say(f"lth: interrupted{interrupt}", file=sys.stderr)
        return 143 if isinstance(interrupt, Terminated) else 130
    except BrokenPipeError:  # the reader of our output has gone, as in `lth compare | head`
        give_up_stdout()
        return 0
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> int:
    """Say what went wrong, and return the exit code; a fault of ours is raised again."""
    nowhere = _nowhere()
    lacked = lack(error)
    if not lacked and not isinstance(error, UsageError | OSError):
        raise error
    text = lacked or (str(error) if isinstance(error, UsageError) else described(error))
    say(brief(f"lth: {text}{nowhere}"), file=sys.stderr)
    if isinstance(error, OSError) and error.filename is None and not lacked:
        give_up_stdout()
    return 2 if nowhere or (isinstance(error, UsageError) and not lacked) else 1


def _one_line(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: Any = None) -> str:
    """A warning of a library as one line, without the place in its source."""
    return brief(f"lth: {category.__name__}: {' '.join(str(message).split())}") + "\n"


def _nowhere() -> str:
    """What to add to an error where the working directory was removed, so that no relative path leads anywhere."""
    try:
        os.getcwd()
    except OSError:
        return "\n     the working directory was removed: change to one that is there"
    return ""


def _dispatch(arguments: list[str]) -> int:
    if arguments[:1] == ["-sc"]:  # asked by the shell while a line is typed
        if os.environ.get("COMP_LINE", "").split()[1:2] != ["run"]:
            return _propose(os.environ.get("COMP_LINE", ""))
        arguments = ["run", *arguments]
    if arguments and arguments[0] == "run":
        from lth_cli.command.launch import launch

        return launch(arguments[1:])
    if arguments and not arguments[0].startswith("-") and arguments[0] not in _COMMANDS:
        hint = "; a sweep is lth run -m" if arguments[0] == "sweep" else nearest(arguments[0], _COMMANDS)
        raise UsageError(f"{arguments[0]}: the commands are {', '.join(_COMMANDS)}{hint}")
    try:
        parsed = _parser().parse_args(arguments or ["--help"])
    except SystemExit:  # after --help, as its errors are raised
        return 0
    if parsed.version:
        from lth_cli import __version__

        say(f"lth {__version__}")
        return 0
    call: Callable[[argparse.Namespace], int] = parsed.call
    return call(parsed)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="lth", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="store_true", help="print the version and stop")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    commands.add_parser("run", help="train, prune and rewind over rounds; sweep with -m", add_help=False)

    compare = commands.add_parser("compare", help="winning tickets, controls and dense side by side")
    compare.add_argument(
        "paths", nargs="*", metavar="PATH", help="runs, sweeps, folders of them, globs; default: latest"
    )
    compare.add_argument("--rounds", action="store_true", help="a row per round, not only the last")
    compare.add_argument(
        "--tolerance",
        type=_tolerance,
        default=1.0,
        metavar="POINTS",
        help="how far below dense is matching (default 1)",
    )
    compare.add_argument("--format", choices=("table", "markdown", "latex", "csv", "json", "parquet"), default="table")
    compare.add_argument("-o", "--output", metavar="FILE", help="write there instead of the terminal")
    compare.add_argument("--plot", type=_picture, action="append", metavar="FILE", help="draw it (.png, .svg, .pdf)")
    compare.set_defaults(call=_compare)

    add_plot(commands)
    verify = commands.add_parser("verify", help="check hashes, counts, masks, controls and tickets of runs on disk")
    verify.add_argument("paths", nargs="+", metavar="DIR", help="a run, a sweep, or a folder of them")
    verify.set_defaults(call=_verify)

    kinds = "models, datasets, pruners, patterns, rewinds, sparsities, controls, trains, experiments"
    listing = commands.add_parser("list", help=kinds)
    listing.add_argument("kind", nargs="?", metavar="KIND", help="one of these; default: all")
    listing.add_argument("--config-dir", metavar="DIR", help="your own YAML too")
    listing.set_defaults(call=_list)

    completion = commands.add_parser("completion", help="what a shell evaluates to complete lth; for bash, zsh or fish")
    completion.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"), help="bash, zsh or fish")
    completion.set_defaults(call=_completion)
    return parser


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not a number of points from 0 to 100")
    return value


def _picture(text: str) -> str:
    if not text.endswith((".png", ".svg", ".pdf")) or not text.rpartition("/")[2].partition(".")[0]:
        raise argparse.ArgumentTypeError(f"{text} does not end in .png, .svg or .pdf")
    return text


def _compare(arguments: argparse.Namespace) -> int:
    from lth_cli.report.comparison import NothingToCompare, report

    if arguments.output == "":
        raise UsageError("-o '': name a file")
    if arguments.format == "parquet" and arguments.output is None:
        raise UsageError("--format parquet: name a file with -o")
    try:
        plots = arguments.plot or []
        report(arguments.paths, arguments.rounds, arguments.tolerance, arguments.format, arguments.output, plots)
    except NothingToCompare as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        if error.filename is None:  # the terminal or pipe, not a file that the command line names
            raise
        raise UsageError(f"{error.filename}: {error.strerror}") from None
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from lth_cli.report.verification import report

    try:
        return report([Path(path) for path in arguments.paths])
    except ValueError as error:
        raise UsageError(str(error)) from None


def _list(arguments: argparse.Namespace) -> int:
    from lth_cli.report.listing import listing

    try:
        say(listing(arguments.kind, arguments.config_dir).removesuffix("\n"))
    except ValueError as error:
        raise UsageError(str(error)) from None
    return 0


def _completion(arguments: argparse.Namespace) -> int:
    from lth_cli.command.completion import SCRIPTS

    say(SCRIPTS[arguments.shell].strip())
    return 0


def _propose(line: str) -> int:
    """Say what may follow a line; of one that cannot be read, nothing."""
    from lth_cli.command.completion import proposals, split

    with contextlib.suppress(ValueError):
        say("\n".join(proposals(_parser(), *split(line))))
    return 0


def _suggest_option(message: str, parser: argparse.ArgumentParser) -> str:
    unknown = [word for word in message.split() if word.startswith("-")]
    actions = [action for part in (parser, *_subparsers(parser)) for action in part._actions]
    known = [option for action in actions for option in action.option_strings]
    return nearest(unknown[0], known) if unknown and "unrecognized" in message else ""


def _subparsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    choices = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [sub for named in choices for sub in named.values()]
