"""The console of everything that rich prints: what is printed can look like anything, but steers no terminal."""

import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lth_cli.core.spelling import clean


class Terminal(Console):
    """A console that shows control characters of a text as a sign; those of rich itself, as of its bar, stay.

    It breaks no line, and neither does what it prints for others while it shows a bar: a path can be copied.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(soft_wrap=True, emoji=False, **options)  # :x: is what it says

    def say(self, text: str, style: str | None = None) -> None:
        """Print a text as it is, as one line."""
        self.print(clean(text), style=style, highlight=False, markup=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does, cleaned."""
        for text, style, control in super().render(renderable, options):
            lines = text if control or text.isprintable() else "\n".join(map(clean, text.split("\n")))
            yield Segment(lines, style, control)


class Log(logging.Handler):
    """Warnings of libraries, above the live display."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print it."""
        Terminal().print(f"{record.levelname}: {self.format(record)}", highlight=False, markup=False)


def meanwhile(doing: str, live: bool = True) -> AbstractContextManager[object]:
    """Within, a line on standard error says what takes so long, and is gone afterwards; only on a terminal.

    Args:
        live: false in the worker processes of a sweep, which have one terminal together.
    """
    console = Terminal(stderr=True)
    return console.status(f"lth: {doing}…") if live and is_watched(console) else nullcontext()


def is_watched(console: Console) -> bool:
    """Whether it is a terminal, and not only to be coloured like one, as where FORCE_COLOR is set."""
    return console.is_terminal and console.file.isatty()
