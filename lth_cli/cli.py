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
from typing import Any

from lth_cli.commands import names, parser
from lth_cli.core.faults import UsageError, lack
from lth_cli.core.signals import Signals, Terminated
from lth_cli.core.spelling import brief, nearest, say
from lth_cli.core.streams import described, give_up_stdout, open_closed


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
    if arguments and not arguments[0].startswith("-") and arguments[0] not in (commands := names()):
        hint = "; a sweep is lth run -m" if arguments[0] == "sweep" else nearest(arguments[0], commands)
        raise UsageError(f"{arguments[0]}: the commands are {', '.join(commands)}{hint}")
    try:
        parsed = parser().parse_args(arguments or ["--help"])
    except SystemExit:  # after --help, as its errors are raised
        return 0
    if parsed.version:
        from lth_cli import __version__

        say(f"lth {__version__}")
        return 0
    call: Callable[[argparse.Namespace], int] = parsed.call
    return call(parsed)


def _propose(line: str) -> int:
    """Say what may follow a line; of one that cannot be read, nothing."""
    from lth_cli.command.completion import proposals, split

    with contextlib.suppress(ValueError):
        say("\n".join(proposals(parser(), *split(line))))
    return 0
