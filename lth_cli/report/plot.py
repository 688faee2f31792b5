"""A picture of a comparison: accuracy over density, a panel per experiment and a line per arm."""

import math
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import chdir
from itertools import accumulate, chain, count
from pathlib import Path

with chdir(Path(__file__).parent):  # as a matplotlibrc of the working directory may have LaTeX run, and more
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from lth_cli.core.spelling import clean
from lth_cli.results.compare import Row

# Okabe & Ito (2008): told apart by readers who do not see red and green as two.
_COLOURS = ("#CC79A7", "#E69F00", "#56B4E9", "#000000", "#009E73", "#D55E00", "#0072B2")
_MARKERS = ("o", "s", "^", "D", "v", "X", "P", "*")
_USUAL = {"winning": ("#009E73", "o"), "random_reinit": ("#D55E00", "o"), "random_mask": ("#0072B2", "o")}
_COLUMNS = 3
_MOST_PANELS = 120  # more are too tall for one picture: 40 lines of 600 pixels
_MOST_CURVES = 1_000  # of all panels together, as each takes some hundredths of a second
_MOST_INSIDE = 4  # arms whose legend does not cover the lines of a panel


def draw(rows: Sequence[Row], path: str) -> str | None:
    """Write a picture of all rounds; bars are minimum and maximum over seeds.

    Returns:
        What was left out, in words, or None.

    Raises:
        ValueError: the file's ending names no picture format.
    """
    picture, note = figure(rows)
    picture.savefig(Path(path), dpi=150)
    return note


def figure(rows: Sequence[Row]) -> tuple[Figure, str | None]:
    """The picture, and what was left out of it, which the picture says, too."""
    experiments: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        experiments[row.run].append(row)
    shown = _first(experiments)
    style = styles(row.arm for members in shown.values() for row in members if row.arm != "dense")
    columns = min(_COLUMNS, len(shown))
    lines = -(-len(shown) // columns)
    picture = Figure(figsize=(max(6.4, 4.4 * columns), 4.0 * lines), layout="constrained")
    panels = picture.subplots(lines, columns, squeeze=False, sharey=True).flatten()
    for panel, (name, members) in zip(panels, shown.items(), strict=False):
        _panel(panel, name, members, style)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    _legend(picture, list(panels[: len(shown)]), list(style))
    if len(shown) == len(experiments):
        return picture, None
    note = f"the first {len(shown)} of {len(experiments)} experiments"
    picture.suptitle(note)
    return picture, f"{note} are drawn"


def _first(experiments: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """As many as one picture has room and time for, at least one."""
    curves = accumulate(len({row.arm for row in members}) for members in experiments.values())
    fitting = sum(so_far <= _MOST_CURVES for so_far in curves)
    return dict(list(experiments.items())[: max(1, min(fitting, _MOST_PANELS))])


def styles(arms: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A colour and a marker for each arm, which no other has: first the colours, then the same with other markers."""
    markers = chain(_MARKERS, (f"${i}$" for i in count(1)))
    pairs = ((colour, marker) for marker in markers for colour in _COLOURS)
    free = (pair for pair in pairs if pair not in _USUAL.values())
    return {arm: _USUAL[arm] if arm in _USUAL else next(free) for arm in dict.fromkeys(arms)}


def _panel(panel: Axes, name: str, rows: Sequence[Row], style: Mapping[str, tuple[str, str]]) -> None:
    dense = next(row for row in rows if row.arm == "dense")
    panel.axhline(100 * dense.accuracy, color="grey", linewidth=1, linestyle="--", label="dense")
    arms: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.arm != "dense":
            arms[row.arm].append(row)
    for arm, points in arms.items():
        accuracy = [100 * row.accuracy for row in points]
        low = [100 * (row.accuracy - row.accuracy_min) for row in points]
        high = [100 * (row.accuracy_max - row.accuracy) for row in points]
        colour, marker = style[arm]
        density = [row.density for row in points]
        panel.errorbar(
            density, accuracy, yerr=[low, high], label=_label(arm), color=colour, marker=marker, markersize=5, capsize=2
        )
    _densities(panel)
    panel.set_xlabel("density (fraction of prunable weights kept)")
    panel.set_ylabel("test accuracy (%)")
    title = f"{name}, {dense.seeds} seed{'s' * (dense.seeds > 1)}"
    panel.set_title(textwrap.fill(clean(title).replace("$", r"\$"), 52), fontsize=10)
    panel.grid(alpha=0.25)


def _label(arm: str) -> str:
    """As a legend shows it: matplotlib leaves out what begins with an underscore."""
    return f" {arm}" if arm.startswith("_") else arm


def _densities(panel: Axes) -> None:
    """A logarithmic axis from dense to sparse, with as many labels as it has room for."""
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter(ScalarFormatter())
    panel.xaxis.set_minor_formatter(ScalarFormatter())
    low, high = panel.get_xlim()
    decades = math.log10(high / low)
    if decades > 1.05:
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        panel.xaxis.set_minor_formatter("{x:g}" if decades < 2.5 else NullFormatter())
    panel.invert_xaxis()
    panel.tick_params(axis="x", which="both", labelsize=8, length=4, pad=4)


def _legend(picture: Figure, panels: Sequence[Axes], arms: Sequence[str]) -> None:
    """In every panel where it is short, else once, below them."""
    if len(arms) <= _MOST_INSIDE:
        for panel in panels:
            panel.legend(fontsize=8)
        return
    entries = {
        label: handle for panel in panels for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    named = ["dense", *map(_label, arms)]
    columns = 5 if len(panels) >= _COLUMNS else 3
    picture.legend([entries[name] for name in named], named, loc="outside lower center", ncols=columns, fontsize=8)
