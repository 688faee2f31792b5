"""A picture of a comparison: accuracy over density, a line per arm."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from lth_cli.results.compare import Row

# Okabe & Ito (2008): told apart by readers who do not see red and green as two.
_COLOURS = {"winning": "#009E73", "random_reinit": "#D55E00", "random_mask": "#0072B2"}
_OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MOST_PANELS = 12


def draw(rows: Sequence[Row], path: str) -> None:
    """Write a picture of all rounds: a panel per experiment; bars are minimum and maximum over seeds.

    Raises:
        ValueError: the file's ending names no picture format.
    """
    experiments: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        experiments[row.run].append(row)
    shown = dict(list(experiments.items())[:_MOST_PANELS])
    columns = min(3, len(shown))
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(max(6.4, 4.4 * columns), 4.0 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).flatten()
    for panel, (name, members) in zip(panels, shown.items(), strict=False):
        _panel(panel, name, members)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    figure.savefig(Path(path), dpi=150)


def _panel(panel: Axes, name: str, rows: Sequence[Row]) -> None:
    dense = next(row for row in rows if row.arm == "dense")
    panel.axhline(100 * dense.accuracy, color="grey", linewidth=1, linestyle="--", label="dense")
    arms: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.arm != "dense":
            arms[row.arm].append(row)
    others = iter(_OTHERS * len(arms))
    for arm, points in arms.items():
        accuracy = [100 * row.accuracy for row in points]
        low = [100 * (row.accuracy - row.accuracy_min) for row in points]
        high = [100 * (row.accuracy_max - row.accuracy) for row in points]
        colour = _COLOURS[arm] if arm in _COLOURS else next(others)
        density = [row.density for row in points]
        panel.errorbar(
            density, accuracy, yerr=[low, high], label=arm, color=colour, marker="o", markersize=4, capsize=2
        )
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter(ScalarFormatter())
    panel.xaxis.set_minor_formatter(ScalarFormatter())
    panel.invert_xaxis()
    panel.tick_params(axis="x", which="both", labelsize=8, length=4, pad=4)
    panel.set_xlabel("density (fraction of prunable weights kept)")
    panel.set_ylabel("test accuracy (%)")
    panel.set_title(f"{name}, {dense.seeds} seed{'s' * (dense.seeds > 1)}", fontsize=10)
    panel.grid(alpha=0.25)
    panel.legend(fontsize=8)
