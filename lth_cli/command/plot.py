"""The command line of `lth plot`. matplotlib is imported only to draw."""

import argparse
from collections.abc import Callable

from lth_cli.core.faults import of_the_command_line
from lth_cli.core.spelling import nearest
from lth_cli.pictures.kinds import KINDS


def add_plot(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add it to the commands of `lth`, as those of `commands` are."""
    parser = add("plot", help="pictures of runs: accuracy, early stop, curves, masks, weights, cost")
    parser.add_argument("paths", nargs="*", metavar="PATH", help="runs, sweeps, folders of them; default: latest")
    parser.add_argument(
        "--kind", type=_kinds, action="extend", metavar="KIND[,KIND]", help=f"default: all of {', '.join(KINDS)}"
    )
    parser.add_argument("--by", metavar="KEY", help="winning tickets by a key, such as rewind, on one axis")
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="a folder, or a .svg, .png or .pdf; default: pictures, unless that is a link",
    )
    parser.set_defaults(call=_plot)


def _kinds(text: str) -> list[str]:
    for kind in text.split(","):
        if kind not in KINDS:
            raise argparse.ArgumentTypeError(f"{kind!r}: the kinds are {', '.join(KINDS)}{nearest(kind, KINDS)}")
    return text.split(",")


def _plot(arguments: argparse.Namespace) -> int:
    from lth_cli.report.collected import NothingToCompare
    from lth_cli.report.plot import plot

    with of_the_command_line(NothingToCompare, ValueError):
        plot(arguments.paths, arguments.kind or [], arguments.output, arguments.by)
    return 0
