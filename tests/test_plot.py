"""Pictures of a comparison, by what is in them."""

from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lth_cli.report import plot
from lth_cli.report.comparison import Asked, report
from lth_cli.report.plot import figure, styles
from lth_cli.results.compare import Row, compare
from lth_cli.results.experiment import every
from tests.command import Lth, only_run
from tests.records import run

CONTROLS = [f"control_{i}" for i in range(12)]


def rows(experiments: int, arms: list[str], rounds: int = 2) -> list[Row]:
    """Experiments of two seeds; the arms of each come in another order."""
    runs = []
    for i in range(experiments):
        accuracy = {(0, "dense", seed): 0.95 for seed in (0, 1)}
        turned = arms[i % len(arms) :] + arms[: i % len(arms)]
        for round in range(1, rounds + 1):
            accuracy |= {(round, arm, seed): 0.9 - 0.01 * seed for arm in turned for seed in (0, 1)}
        runs.append(run(accuracy, lr=i))
    return compare(runs, rounds=every)


def drawn(panel: Axes) -> dict[str, tuple[str, str]]:
    """Colour and marker by arm."""
    lines = {bars.get_label(): bars.lines[0] for bars in panel.containers}
    return {str(arm): (to_hex(line.get_color()).upper(), str(line.get_marker())) for arm, line in lines.items()}


def visible(picture: Figure) -> list[Axes]:
    return [panel for panel in picture.axes if panel.get_visible()]


def test_every_arm_has_a_look_of_its_own_and_the_same_in_every_panel() -> None:
    picture, note = figure(rows(3, ["winning", "random_reinit", *CONTROLS]))
    looks = [drawn(panel) for panel in visible(picture)]
    assert note is None
    assert looks[0].keys() == {"winning", "random_reinit", *CONTROLS}
    assert len(set(looks[0].values())) == len(looks[0])
    assert looks[0] == looks[1] == looks[2]
    assert looks[0]["winning"] == ("#009E73", "o")
    (legend,) = picture.legends
    assert {text.get_text() for text in legend.get_texts()} == {"dense", *looks[0]}


def test_no_number_of_arms_is_too_many() -> None:
    arms = [*CONTROLS, "winning", *(f"more_{i}" for i in range(200))]
    assert len(set(styles(arms).values())) == len(arms)
    assert styles(arms) == styles(arms + arms)


def test_few_arms_are_named_in_each_panel() -> None:
    picture, _ = figure(rows(2, ["winning", "random_mask"]))
    assert not picture.legends
    for panel in visible(picture):
        legend = panel.get_legend()
        assert legend is not None
        assert {text.get_text() for text in legend.get_texts()} == {"dense", "winning", "random_mask"}


@pytest.mark.parametrize("experiments", [1, 2, 13, 20])
def test_every_experiment_is_drawn_and_the_picture_grows(experiments: int) -> None:
    picture, note = figure(rows(experiments, ["winning"]))
    assert note is None
    names = [panel.get_title().partition(",")[0] for panel in visible(picture)]
    assert names == ([f"lr={i}" for i in range(experiments)] if experiments > 1 else ["m d"])
    assert picture.get_figheight() == 4.0 * -(-experiments // 3)


def test_what_does_not_fit_is_told_on_the_picture_and_on_the_terminal(
    lth: Lth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert lth("run", "rounds=1", "train.iterations=1it", "controls=[]").returncode == 0
    first = only_run(tmp_path)
    for i in (2, 3):
        second = first.with_name(f"{first.name}-{i}")
        second.mkdir()
        for name in ("run.json", "config.yaml", "history.csv"):
            text = (first / name).read_text()
            (second / name).write_text(text.replace("pruned_to: zero", f"pruned_to: other{i}"))
    monkeypatch.setattr(plot, "_MOST_PANELS", 2)
    report([str(first.parent)], Asked(plot=str(tmp_path / "p.svg")))
    assert f"lth: {tmp_path}/p.svg: the first 2 of 3 experiments are drawn\n" in capfd.readouterr().err
    picture, note = figure(rows(3, ["winning"]))
    assert (note, picture.get_suptitle()) == (
        "the first 2 of 3 experiments are drawn",
        "the first 2 of 3 experiments",
    )
    assert len(visible(picture)) == 2


@pytest.mark.parametrize("rounds", [1, 2, 3, 6])
def test_labels_of_densities_do_not_overlap(rounds: int) -> None:
    """Of three panels beside each other; a round keeps a tenth."""
    picture, _ = figure(rows(3, ["winning"], rounds))
    picture.draw_without_rendering()
    for panel in visible(picture):
        labels = [*panel.get_xticklabels(), *panel.get_xticklabels(minor=True)]
        left, right = panel.get_window_extent().x0, panel.get_window_extent().x1
        boxes = sorted((box.x0, box.x1) for box in (label.get_window_extent() for label in labels if label.get_text()))
        inside = [(a, b) for a, b in boxes if left <= (a + b) / 2 <= right]
        assert inside
        assert all(b <= a for (_, b), (a, _) in pairwise(inside))


@pytest.mark.parametrize("arms", [1, 6])
def test_an_arm_whose_name_begins_with_an_underscore_is_in_the_legend(arms: int) -> None:
    names = [f"_{name}" for name in CONTROLS[:arms]]
    picture, _ = figure(rows(1, ["winning", *names]))
    legend = picture.legends[0] if picture.legends else visible(picture)[0].get_legend()
    assert legend is not None
    assert {text.get_text().strip() for text in legend.get_texts()} == {"dense", "winning", *names}
