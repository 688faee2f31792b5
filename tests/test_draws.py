"""A control that is drawn several times: each draw is an arm of its own, and a comparison takes their mean."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lth_cli.core.arms import drawn
from lth_cli.results.checks.verify import verify
from lth_cli.results.compare import compare
from tests.command import Lth, history
from tests.interrupted import results
from tests.lies import believed, copy
from tests.records import run

ALL = (
    "controls=[random_reinit,random_mask,smart_ratio,reshuffle,constant]",
    *(f"controls.{name}.draws=2" for name in ("random_reinit", "random_mask", "smart_ratio", "reshuffle", "constant")),
)


def test_each_draw_is_an_arm_with_other_numbers(finished: Callable[..., Path]) -> None:
    path = finished("model.hidden=[30]", *ALL)
    arms = {row["arm"] for row in history(path)}
    assert {"random_reinit", "random_reinit-2", "constant-2", "smart_ratio-2"} < arms
    assert len(arms) == 2 + 2 * 5
    assert [check.wrong for check in verify(path) if check.wrong] == []


def test_the_first_draw_is_what_it_is_without_others(finished: Callable[..., Path]) -> None:
    several, one = (results(finished(f"controls.random_mask.draws={draws}")) for draws in (3, 1))
    states = {name: data for name, data in one.items() if name.endswith(".safetensors") and "/0" in name}
    assert len(states) > 9
    assert {name: several[name] for name in states} == states


def test_a_copy_of_a_draw_is_found(finished: Callable[..., Path], tmp_path: Path) -> None:
    path = Path(shutil.copytree(finished("model.hidden=[30]", *ALL), tmp_path / "run"))
    copy("rounds/01/constant_seed0.safetensors", "rounds/01/constant-2_seed0.safetensors")(path)
    believed(path)
    wrong = [line for check in verify(path) for line in check.wrong]
    assert "round 1, constant-2, seed 0: the network of round 1, constant, seed 0" in wrong


def test_a_seed_counts_once_with_the_mean_of_its_draws() -> None:
    accuracies = {
        (0, "dense", 0): 0.9,
        (1, "winning", 0): 0.9,
        (1, "a", 0): 0.6,
        (1, "a-2", 0): 0.7,
        (1, "b-2", 0): 0.5,
    }
    rows = {row.arm: row for row in compare([run(accuracies, controls={"a": {"draws": 2}, "b-2": {}})])}
    assert set(rows) == {"dense", "winning", "a", "b-2"}
    assert (rows["a"].seeds, rows["a"].accuracy) == (1, pytest.approx(0.65))
    assert rows["a"].gap == pytest.approx(25)
    assert rows["winning"].controls == 2


def test_names_of_draws() -> None:
    assert drawn({"a": {"draws": 3}, "b": {}, "c": None}) == {
        "a": ("a", 0), "a-2": ("a", 1), "a-3": ("a", 2), "b": ("b", 0), "c": ("c", 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("controls.random_mask.draws=0",), "controls.random_mask.draws=0: a whole number from 1 to 100"),
        (("controls.random_mask.draws=true",), "controls.random_mask.draws=True: a whole number from 1 to 100"),
        (("controls.random_mask.draws=99",), "controls=[… 100 …]: at most 97 of them"),
        (
            ("controls=[invert]", "+controls.invert.draws=2"),
            "controls=invert-2: in round 10, it would be the first draw",
        ),
        (
            ("controls.random_mask.draws=2", "+controls.random_mask-2={_target_: lth_cli.controls.Invert}"),
            "a draw of one has the name of another",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(typed: tuple[str, ...], said: str, lth: Lth, tmp_path: Path) -> None:
    done = lth("run", *typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (tmp_path / "outputs").exists()
