"""What all pictures share: panels, styles of arms, the axis of weights remaining, the legend, and the file.

Every picture can be read in grey: an arm has a marker and a line of its own beside its colour.
"""

import io
import math
import textwrap
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, TypeVar

with chdir(Path(__file__).parent):  # as a matplotlibrc of the working directory may have LaTeX run, and more
    import matplotlib as mpl
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, FixedLocator, MaxNLocator, NullLocator
    from matplotlib.transforms import ScaledTranslation

from lth_cli.core.arms import DENSE, DENSE_RETRAINED, WINNING
from lth_cli.core.spelling import brief, clean

__all__ = ["Axes", "EngFormatter", "Figure", "MaxNLocator", "ScaledTranslation"]  # as only here they are imported so

# Okabe & Ito (2008): told apart by readers who do not see red and green as two.
COLOURS = ("#CC79A7", "#E69F00", "#56B4E9", "#000000", "#009E73", "#D55E00", "#0072B2")
_MARKERS = ("o", "s", "^", "D", "v", "X", "P", "*", "<")
LINES = ("-", "--", "-.", ":")
GREY = "#666666"
SHADES = "Greys"  # of images: white is none, and print keeps their order
BAND = "band, or bar of a single round: 95% Student interval of the mean over seeds"
MOST_PANELS = 120  # more are too tall for one picture: 40 lines of 600 pixels
MOST_CURVES = 1_000  # of all panels together, as each takes some hundredths of a second
_LONGEST = 160  # characters of a name in a title
_PANEL = (4.4, 3.5)  # inches
_DPI = 150
_LEGEND, _LINE = 8, 0.18  # lines for which there is room below the panels, and the inches of one more

T = TypeVar("T")


@dataclass(frozen=True)
class Style:
    """How an arm is drawn."""

    colour: str
    marker: str
    line: str

    @property
    def options(self) -> dict[str, Any]:
        """As `Axes.plot` takes them."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line, "markersize": 5, "linewidth": 1.5}


_USUAL = {
    WINNING: Style("#009E73", "o", "-"),
    "random_reinit": Style("#D55E00", "s", "--"),
    "random_mask": Style("#0072B2", "^", "-."),
    DENSE_RETRAINED: Style("#000000", "D", ":"),
}


def styles(arms: Iterable[str]) -> dict[str, Style]:
    """A style for each arm but dense, which no other has."""
    return dict(_styles(arm for arm in arms if arm != DENSE))


def _styles(arms: Iterable[str]) -> Iterable[tuple[str, Style]]:
    # The numbers of colours, markers and lines have no common divisor.
    several = len(COLOURS) * len(_MARKERS) * len(LINES)
    markers = chain((_MARKERS[i % len(_MARKERS)] for i in range(several)), (f"${i}$" for i in count(1)))
    every = (Style(COLOURS[i % len(COLOURS)], marker, LINES[i % len(LINES)]) for i, marker in enumerate(markers))
    taken = {(style.marker, style.line) for style in _USUAL.values()}
    free = (style for style in every if (style.marker, style.line) not in taken)
    return [(arm, _USUAL[arm] if arm in _USUAL else next(free)) for arm in dict.fromkeys(arms)]


def text(name: str, width: int = 46) -> str:
    """A name as a picture shows it: no character steers anything, no formula of TeX, no line too long."""
    return textwrap.fill(brief(clean(name), lines=1, width=_LONGEST), width).replace("$", r"\$")


def label(name: str) -> str:
    """A name as a legend shows it: matplotlib leaves out what begins with an underscore."""
    shown = text(name, 60)
    return f" {shown}" if shown.startswith("_") else shown


def fitting(curves: Sequence[int]) -> int:
    """How many panels one picture has room and time for, at least one.

    Args:
        curves: of each panel.
    """
    so_far, panels = 0, 0
    for several in curves[:MOST_PANELS]:
        so_far += several
        panels += so_far <= MOST_CURVES
    return max(1, panels)


def few(lines: Mapping[str, T]) -> tuple[dict[str, T], list[str]]:
    """The lines for which one panel has time, and what the picture says of the others."""
    shown = dict(islice(lines.items(), MOST_CURVES))
    return shown, left_out(len(shown), len(lines), "lines")


def left_out(shown: int, of: int, what: str = "experiments") -> list[str]:
    """What a picture says where it has not room for all."""
    return [] if shown == of else [f"the first {shown:,} of {of:,} {what} are drawn"]


def panels(
    many: int, columns: int = 3, size: tuple[float, float] = _PANEL, least: float = 6.4, **shared: Any
) -> tuple[Figure, Sequence[Axes]]:
    """A picture with some panels, line by line."""
    columns = min(columns, many)
    lines = -(-many // columns)
    figure = Figure(figsize=(max(least, size[0] * columns), size[1] * lines + 0.7), layout="constrained")
    every = figure.subplots(lines, columns, squeeze=False, **shared).flatten()
    for unused in every[many:]:
        unused.set_visible(False)
    return figure, list(every[:many])


def titled(panel: Axes, *lines: str, width: int = 46) -> None:
    """Give a panel its title, its grid and labels of its size."""
    panel.set_title("\n".join(text(line, width) for line in lines), fontsize=10)
    panel.tick_params(labelsize=8)
    panel.grid(alpha=0.25, linewidth=0.6)
    panel.set_axisbelow(True)


def height_is(panel: Axes, what: str) -> None:
    """Say what the height is, once per line of panels."""
    spec = panel.get_subplotspec()
    if spec is None or spec.is_first_col():
        panel.set_ylabel(what, fontsize=9)


def heading(figure: Figure, *lines: str) -> None:
    """Lines above all panels; nothing where there are none."""
    if lines:
        figure.suptitle("\n".join(text(line, int(13 * figure.get_figwidth())) for line in lines), fontsize=10)


def weights_remaining(panel: Axes, values: Iterable[float]) -> None:
    """A logarithmic axis of percent, dense on the left as in the papers, with as many labels as it has room for."""
    known = [value for value in values if value > 0]
    low, high = min(known, default=50.0), max([100.0, *known])
    panel.set_xscale("log")
    room = (high / low) ** 0.05 if high > low else 1.1
    panel.set_xlim(high * room, low / room)
    percents(panel.xaxis, low)
    panel.set_xlabel("weights remaining (%)", fontsize=9)


def percents(axis: Axis, low: float) -> None:
    """Label a logarithmic axis of percent from `low` to 100."""
    axis.set_major_locator(FixedLocator(_ticks(low)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def _ticks(low: float) -> list[float]:
    """Round numbers up to 100, three to eight of them where there are so many."""
    decades = math.log10(100 / low)
    if decades <= 0.7:
        step = next((s for s in (20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2) if (100 - low) / s >= 2), 0.1)
        return [100 - i * step for i in range(int((100 - low) / step + 1e-9) + 1)]
    powers = range(math.floor(math.log10(low)), 3)
    factors = (1, 2, 5) if decades <= 2.2 else (1,)
    every = [factor * 10.0**power for power in powers for factor in factors]
    least = low * 0.98 * (low / 100) ** 0.04  # beyond the last point an axis has a twentieth more
    return [tick for tick in every if least <= tick <= 100][:: 1 + int(decades) // 8]


def legend(figure: Figure, all_panels: Sequence[Axes], *notes: str, dense: str = DENSE) -> None:
    """Once, below all panels: what must be said of how they are drawn, and what is named in any, dense first."""
    entries: dict[str, Artist] = {}
    for panel in all_panels:
        handles, labels = panel.get_legend_handles_labels()
        for handle, name in zip(handles, labels, strict=True):
            entries.setdefault(name, handle)
    named = sorted(entries, key=lambda name: name != dense)  # stable: the others as they come
    if not named and not notes:
        return
    longest = max(map(len, named), default=1)
    room = max(1, min(len(named), int(figure.get_figwidth() * 13.5 / (longest + 8))))
    columns = max(1, math.ceil(len(named) / math.ceil(max(1, len(named)) / room)))  # as many in each line
    figure.set_figheight(figure.get_figheight() + _LINE * max(0, -(-len(named) // columns) - _LEGEND))
    figure.legend(
        [entries[name] for name in named],
        named,
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        frameon=False,
        handlelength=3,
        title="\n".join(text(note, int(14 * figure.get_figwidth())) for note in notes),
        title_fontsize=8,
    )


def rendered(figure: Figure, form: str) -> bytes:
    """A picture as a file of the form svg, png or pdf; the same picture is the same bytes."""
    file = io.BytesIO()
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": "lth"}):
        warnings.simplefilter("ignore")  # of a glyph that the font lacks, which is shown as a box
        figure.savefig(file, format=form, dpi=_DPI, metadata=dates.get(form))
    return file.getvalue()
