"""What can be known of controls before any work is said before any work."""

from pathlib import Path

import pytest

from tests.command import Lth

SHORT = ("model.hidden=[8]", "train.iterations=4it", "rounds=2")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        # Its magnitudes are all the same: shuffled among themselves, they are the ticket's.
        (
            ("init=signed_constant", "controls=[same_sign_reshuffle]"),
            "same_sign_reshuffle: in round 2, it would be the t",
        ),
        # A fresh one of the same signs is the same initialisation; it died in the last round.
        (
            ("init=signed_constant", "controls=[same_sign_reinit]"),
            "same_sign_reinit: in round 2, fc1.weight was not rein",
        ),
        (
            ("sparsity=densities", "sparsity.densities=[1.0,1.0]"),
            "random_mask: in round 2, it would be the ticket itself",
        ),
        (
            ("sparsity=densities", "sparsity.densities=[1.0,0.5]", "controls_at=all"),
            "random_mask: in round 1, it would be",
        ),
        # The deviation of its constants is that constant, but for their mean.
        (
            ("init=signed_constant", "controls=[same_sign_constant]"),
            "same_sign_constant: in round 2, it would be",
        ),
        # Its counts are more than 2 of 4 can hold.
        (("pattern=n_m", "controls=[smart_ratio]", "sparsity.target=0.5"), "smart_ratio: in round 2, a block of fc1"),
        # Its counts are not of whole filters.
        (
            ("pattern=filters", "controls=[smart_ratio]", "sparsity.target=0.5"),
            "smart_ratio: in round 2, not the layer counts of the smart ratio",
        ),
    ],
)
def test_a_control_that_cannot_be_what_it_says_is_refused(
    arguments: tuple[str, ...], words: str, lth: Lth, tmp_path: Path
) -> None:
    refused = lth("run", *SHORT, *(text for text in arguments if not text.startswith("rounds")))
    assert refused.returncode == 2
    assert f"lth: controls={words}" in refused.stderr
    assert len(refused.stderr.splitlines()) <= 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments",
    [
        ("init=signed_constant", "controls=[same_sign_reshuffle,same_sign_reinit]", "rewind=learning_rate"),
        ("init=signed_constant", "controls=[same_sign_reshuffle]", "rewind=late"),
        ("init=signed_constant", "controls=[reshuffle,random_reinit,random_mask]"),
        ("sparsity=densities", "sparsity.densities=[1.0,0.5]"),
        ("controls_at=[]",),
        ("init=signed_constant", "controls=[constant]"),
        ("sparsity=densities", "sparsity.densities=[1.0,1.0]", "controls=[random_reinit]"),
    ],
)
def test_a_control_that_can_differ_is_trained(arguments: tuple[str, ...], lth: Lth) -> None:
    done = lth("run", *SHORT, *arguments)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_control_of_ones_own_that_fails_is_named(lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "class Broken:\n"
        "    def make(self, ticket, context):\n        return context.nothing\n"
        "    def violation(self, control, ticket):\n        return None\n"
    )
    refused = lth("run", *SHORT, "controls=[]", "+controls.mine._target_=mine.Broken")
    assert refused.returncode == 2
    assert "lth: controls=mine: it cannot be made in round 2: AttributeError: " in refused.stderr
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("saved_at", "iterations", "words"),
    [
        ("total", "total", "saved_at is 4, no iteration from 0 to 3"),
        ("0", "0", "tickets would not be trained at all"),
    ],
)
def test_a_rewind_strategy_of_ones_own_stays_within_training(
    saved_at: str, iterations: str, words: str, lth: Lth, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(
        "from lth_cli.core.state import Start\n"
        "class Mine:\n"
        f"    def saved_at(self, total, per_epoch):\n        return {saved_at}\n"
        "    def restart(self, saved, trained, at, total):\n"
        f"        return Start(saved, schedule=0, order=0, iterations={iterations})\n"
    )
    refused = lth("run", *SHORT, "rewind._target_=mine.Mine", "~rewind.iteration")
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"{words}\n")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("name", ["winning", "dense"])
def test_the_name_of_an_arm_is_a_word_of_its_own(name: str, lth: Lth, tmp_path: Path) -> None:
    refused = lth("run", *SHORT, f"+controls.{name}={{_target_: lth_cli.controls.Invert}}")
    assert refused.returncode == 2
    assert f"lth: controls.{name}: a name of letters" in refused.stderr
    assert not list(tmp_path.iterdir())
