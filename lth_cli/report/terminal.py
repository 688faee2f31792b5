"""The console of everything that rich prints: what is printed can look like anything, but steers no terminal."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lth_cli.core.spelling import clean


class Terminal(Console):
    """A console that shows control characters of a text as a sign; those of rich itself, as of its bar, stay."""

    def __init__(self, **options: Any) -> None:
        super().__init__(emoji=False, **options)  # :x: is what it says

    def say(self, text: str, style: str | None = None) -> None:
        """Print a text as it is, as one line."""
        self.print(clean(text), style=style, highlight=False, markup=False, soft_wrap=True)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does, cleaned."""
        for text, style, control in super().render(renderable, options):
            lines = text if control or text.isprintable() else "\n".join(map(clean, text.split("\n")))
            yield Segment(lines, style, control)
