"""Pictures of accuracy, early stop and cost, by what is in them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from lth_cli.pictures import accuracy, canvas, cost, early_stop
from lth_cli.pictures.canvas import BAND, styles
from lth_cli.pictures.kinds import NotDrawn, Picture
from lth_cli.pictures.studies import Study, studies
from lth_cli.report.comparison import Asked, report
from lth_cli.rundir.read import Run
from tests.command import Lth, only_run
from tests.records import run

CONTROLS = [f"control_{i}" for i in range(12)]
DRAWN = (accuracy.figure, early_stop.figure, cost.figure)


def found(experiments: int, arms: list[str], rounds: int = 2, seeds: int = 2, **config: Any) -> list[Study]:
    """Experiments with some seeds; the arms of each come in another order."""
    runs = []
    for i in range(experiments):
        correct = {(0, "dense", seed): 0.95 - 0.01 * seed for seed in range(seeds)}
        turned = arms[i % len(arms) :] + arms[: i % len(arms)]
        for round in range(1, rounds + 1):
            correct |= {(round, arm, seed): 0.9 - 0.01 * seed for arm in turned for seed in range(seeds)}
        runs.append(run(correct, lr=i, **config))
    return studies(runs)


def drawn(panel: Axes) -> dict[str, tuple[str, str, str]]:
    """Colour, marker and line by arm."""
    return {
        str(line.get_label()): (to_hex(line.get_color()).upper(), str(line.get_marker()), str(line.get_linestyle()))
        for line in panel.lines
        if line.get_label() != "dense" and not str(line.get_label()).startswith("_")
    }


def visible(picture: Figure) -> list[Axes]:
    return [panel for panel in picture.axes if panel.get_visible()]


def legend(picture: Picture) -> tuple[set[str], str]:
    """The names in the legend, and what it says above them."""
    (one,) = picture.figure.legends
    return {text.get_text().strip() for text in one.get_texts()}, one.get_title().get_text()


@pytest.mark.parametrize("figure", DRAWN)
def test_every_arm_has_a_look_of_its_own_and_the_same_in_every_panel(figure: Any) -> None:
    picture = figure(found(3, ["winning", "random_reinit", *CONTROLS]))
    looks = [drawn(panel) for panel in visible(picture.figure)]
    assert picture.notes == []
    assert looks[0].keys() == {"winning", "random_reinit", *CONTROLS}
    assert len({look[1:] for look in looks[0].values()}) == len(looks[0]), "in grey, too"
    assert looks[0] == looks[1] == looks[2]
    assert looks[0]["winning"] == ("#009E73", "o", "-")
    assert legend(picture)[0] == {"dense", *looks[0]}


def test_no_number_of_arms_is_too_many() -> None:
    arms = [*CONTROLS, "winning", *(f"more_{i}" for i in range(400))]
    assert len(set(styles(arms).values())) == len(arms)
    assert styles(arms) == styles(arms + arms)


@pytest.mark.parametrize("experiments", [1, 2, 13, 20])
def test_every_experiment_is_drawn_and_the_picture_grows(experiments: int) -> None:
    picture = accuracy.figure(found(experiments, ["winning"]))
    assert picture.notes == []
    names = [panel.get_title().partition(",")[0] for panel in visible(picture.figure)]
    assert names == ([f"lr={i}" for i in range(experiments)] if experiments > 1 else ["m d"])
    assert picture.figure.get_figheight() == pytest.approx(3.5 * -(-experiments // 3) + 0.7)


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
    monkeypatch.setattr(canvas, "MOST_PANELS", 2)
    report([str(first.parent)], Asked(plots=[str(tmp_path / "p.svg"), str(tmp_path / "q.png")]))
    said = capfd.readouterr()
    for name in ("p.svg", "q.png"):
        assert f"lth: {tmp_path}/{name}: the first 2 of 3 experiments are drawn\n" in said.err
        assert f"wrote {tmp_path}/{name}\n" in said.out
    for figure in DRAWN:
        picture = figure(found(3, ["winning"]))
        assert picture.notes == [picture.figure.get_suptitle()] == ["the first 2 of 3 experiments are drawn"]
        assert len(visible(picture.figure)) == 2


@pytest.mark.parametrize("figure", DRAWN)
def test_one_panel_has_no_more_lines_than_are_drawn_in_seconds(figure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canvas, "MOST_CURVES", 3)
    picture = figure(found(8, ["winning"]), "lr")
    assert picture.notes == [picture.figure.get_suptitle()] == ["the first 3 of 8 lines are drawn"]
    assert legend(picture)[0] == {"dense", "lr=0", "lr=1", "lr=2"}


@pytest.mark.parametrize("arms", [12, 150])
def test_a_long_legend_leaves_room_for_what_it_explains(arms: int) -> None:
    picture = accuracy.figure(found(1, [f"control_{i}" for i in range(arms)]))
    picture.figure.draw_without_rendering()
    (panel,) = visible(picture.figure)
    (explained,) = picture.figure.legends
    assert panel.get_window_extent().height > 150
    assert 0 <= explained.get_window_extent().y0 < explained.get_window_extent().y1 < panel.get_window_extent().y0


@pytest.mark.parametrize("rounds", [1, 2, 3, 6, 10])
def test_labels_of_weights_remaining_do_not_overlap(rounds: int) -> None:
    """Of three panels beside each other; a round keeps a tenth. Dense is on the left."""
    picture = accuracy.figure(found(3, ["winning"], rounds))
    picture.figure.draw_without_rendering()
    for panel in visible(picture.figure):
        labels = [*panel.get_xticklabels(), *panel.get_xticklabels(minor=True)]
        boxes = sorted((box.x0, box.x1) for box in (label.get_window_extent() for label in labels if label.get_text()))
        assert len(boxes) > 1
        assert all(b <= a for (_, b), (a, _) in pairwise(boxes))
        assert panel.get_xscale() == "log"
        assert panel.get_xlim()[0] > 100 > 100 * 0.1**rounds > panel.get_xlim()[1]


@pytest.mark.parametrize("low", [99.9, 99, 95, 80, 51.2, 40, 20, 10, 3.6, 0.5, 1e-3, 1e-12])
def test_the_axis_has_a_few_labels_whatever_is_left(low: float) -> None:
    ticks = canvas._ticks(low)
    assert 2 <= len(ticks) <= 11
    assert all(low * 0.97 <= tick <= 100.01 for tick in ticks)


@pytest.mark.parametrize("arms", [1, 6])
def test_an_arm_whose_name_begins_with_an_underscore_is_in_the_legend(arms: int) -> None:
    names = [f"_{name}" for name in CONTROLS[:arms]]
    assert legend(accuracy.figure(found(1, ["winning", *names])))[0] == {"dense", "winning", *names}


def test_the_band_is_students_interval_of_the_mean() -> None:
    """Three seeds at 90, 89 and 88: 2.5% of Student's distribution of two degrees of freedom lie above 4.303."""
    panel = visible(accuracy.figure(found(1, ["winning"], seeds=3)).figure)[0]
    (band,) = (one for one in panel.collections if isinstance(one, PolyCollection))
    heights = [float(y) for path in band.get_paths() for _, y in path.vertices.tolist()]  # type: ignore[union-attr]
    assert max(heights) == pytest.approx(89 + 4.303 / 3**0.5, abs=0.01)
    assert min(heights) == pytest.approx(89 - 4.303 / 3**0.5, abs=0.01)


@pytest.mark.parametrize("figure", DRAWN)
def test_one_seed_has_no_band_and_none_is_told(figure: Any) -> None:
    one, several = (figure(found(1, ["winning"], seeds=seeds)) for seeds in (1, 3))
    assert BAND not in legend(one)[1]
    assert not visible(one.figure)[0].collections
    assert "1 seed" in visible(one.figure)[0].get_title()
    assert figure is early_stop.figure or BAND in legend(several)[1]


def test_an_arm_of_one_round_has_a_bar_in_place_of_a_band() -> None:
    panel = visible(accuracy.figure(found(1, ["winning"], rounds=1)).figure)[0]
    assert len(panel.containers) == 1


def test_bars_at_the_same_place_stand_side_by_side_and_are_seen_whole() -> None:
    picture = accuracy.figure(found(1, ["winning", "random_reinit", "random_mask"], rounds=1, seeds=3))
    picture.figure.draw_without_rendering()
    (panel,) = visible(picture.figure)
    bars = [container[2][0] for container in panel.containers]
    ends = [bar.get_transform().transform(bar.get_segments()[0]).tolist() for bar in bars]
    assert len(ends) == 3
    assert all(b[0][0] - a[0][0] > 5 for a, b in pairwise(ends))
    assert all(panel.bbox.y0 < low < high < panel.bbox.y1 for (_, low), (_, high) in ends)


def test_a_dense_network_that_is_trained_again_stands_beside_its_ticket() -> None:
    one = run({(0, "dense", 0): 0.9, **{(k, arm, 0): 0.9 for k in (1, 2) for arm in ("winning", "dense_retrained")}})
    for row in one.history:
        row |= {"density": 1.0, "remaining": 1000} if row["arm"] == "dense_retrained" else {}
    panel = visible(accuracy.figure(studies([one])).figure)[0]
    places = {str(line.get_label()): line.get_xdata() for line in panel.lines}
    assert list(places["dense_retrained"]) == list(places["winning"]) == pytest.approx([10, 1])  # type: ignore[comparison-overlap]


def test_a_censored_early_stop_is_hollow_with_an_arrow() -> None:
    """Of controls and dense in these runs; winning stops in the middle."""
    picture = early_stop.figure(found(1, ["winning", "random_mask"]))
    assert early_stop.CENSORED in legend(picture)[1]
    panel = visible(picture.figure)[0]
    hollow = [line for line in panel.lines if line.get_markerfacecolor() == "none"]
    arrows = [line for line in panel.lines if line.get_marker() == r"$\uparrow$"]
    assert {to_hex(line.get_color()).upper() for line in hollow} == {
        styles(["random_mask"])["random_mask"].colour,
        "#666666",
    }
    assert len(arrows) == 2
    filled = {str(line.get_label()): line.get_markevery() for line in panel.lines}
    assert (filled["winning"], filled["random_mask"]) == ([0, 1], [])
    uncensored = found(1, ["winning"])
    for one in uncensored[0].runs.values():
        for row in one.history:
            row["early_stop_iteration"] = 10
    assert early_stop.CENSORED not in legend(early_stop.figure(studies([*uncensored[0].runs.values()][:1])))[1]


def test_cost_is_all_training_up_to_there() -> None:
    panel = visible(cost.figure(found(1, ["winning"], rounds=3)).figure)[0]
    places = {str(line.get_label()): list(line.get_xdata()) for line in panel.lines}
    assert places["winning"] == [200, 300, 400]


def by_rewind(*values: str, lr: int = 0) -> list[Run]:
    correct = {(0, "dense", 0): 0.9, (1, "winning", 0): 0.9, (1, "random_mask", 0): 0.8}
    return [
        run(correct, lr=lr, rewind={"fraction": i}, record={"choices": {"rewind": value, "model": "m"}})
        for i, value in enumerate(values)
    ]


@pytest.mark.parametrize("figure", DRAWN)
def test_experiments_by_a_key_are_on_one_axis_winning_only(figure: Any) -> None:
    picture = figure(studies([*by_rewind("init", "late"), *by_rewind("init", "late", lr=1)]), "rewind")
    panels = visible(picture.figure)
    assert [panel.get_title().partition(", 1 seed")[0] for panel in panels] == [
        "winning tickets, lr=0",
        "winning tickets, lr=1",
    ]
    assert legend(picture)[0] == {"dense", "rewind=init", "rewind=late"}
    values = figure(studies([*by_rewind("init"), *by_rewind("init", lr=1)]), "lr")
    assert legend(values)[0] == {"dense", "lr=0", "lr=1"}


def test_without_a_ticket_nothing_is_drawn() -> None:
    with pytest.raises(NotDrawn, match="no winning ticket"):
        accuracy.figure(studies([run({(0, "dense", 0): 0.9})]), "rounds")


@pytest.mark.parametrize("figure", DRAWN)
@pytest.mark.parametrize("name", ["$\\frac{$", "_" * 5, "a\nb\x1b[2J\u202e", "x" * 5000, "日本", "%s{x}\\"])
def test_a_hostile_name_is_drawn_as_text(figure: Any, name: str) -> None:
    runs = [run({(0, "dense", 0): 0.9, (1, "winning", 0): 0.9}, key=key) for key in (name, "other")]
    for one in runs:
        one.record["choices"]["model"] = name
    for by in (None, "key"):
        picture = figure(studies(runs), by)
        assert canvas.rendered(picture.figure, "svg").startswith(b"<?xml")
        assert all(len(line) < 60 for panel in visible(picture.figure) for line in panel.get_title().split("\n"))


def test_the_same_picture_is_the_same_bytes() -> None:
    for form in ("svg", "pdf", "png"):
        one, other = (canvas.rendered(accuracy.figure(found(1, ["winning"])).figure, form) for _ in range(2))
        assert one == other
