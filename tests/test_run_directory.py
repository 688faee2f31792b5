"""docs/run-directory.md: its code, on a real run; and that it names every file and column of one."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_cli.core.masks import remaining
from lth_cli.rundir.columns import FORMAT, TABLES
from tests.command import Lth, only_run

PAGE = (Path(__file__).parent.parent / "docs" / "run-directory.md").read_text()
TYPED = "outputs/2026-01-31/12-00-00_lenet_300_100_digits"


@pytest.fixture
def path(lth: Lth, tmp_path: Path) -> Path:
    """What the command of the page leaves, after a shorter training."""
    (command,) = re.findall(r"^What `lth (run [^`]+)`", PAGE, re.M)
    assert lth(*command.split(), "train.iterations=25it").returncode == 0
    return only_run(tmp_path)


def test_the_code_of_the_page(path: Path) -> None:
    code = "".join(re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S))
    assert code.count(TYPED) == 1
    found: dict[str, Any] = {}
    exec(compile(code.replace(TYPED, str(path)), "docs/run-directory.md", "exec"), found)
    assert found["density"] == pytest.approx(0.1)
    assert found["accuracy"] == found["written"]
    ticket = found["ticket"]
    assert found["same_metadata"] == dict(found["metadata"])
    assert all(torch.equal(ticket.weights[name], found["start"][name]) for name in ticket.weights)
    trained = {name: found["model"].get_parameter(name) for name in ticket.mask}
    assert all(
        torch.equal(p[~ticket.mask[name]], torch.zeros_like(p[~ticket.mask[name]])) for name, p in trained.items()
    )
    assert remaining({name: p != 0 for name, p in trained.items()}) == remaining(ticket.mask)


def test_every_file_is_named(path: Path) -> None:
    table = set(re.findall(r"`([\w.-]+/?)`(?:, `([\w.-]+/?)`)? \|", PAGE))
    named = {name.rstrip("/") for names in table for name in names if name}
    assert {file.name for file in path.iterdir()} == named - {"partial", "pictures", "profile"}
    states = {re.sub(r"\d+", "N", str(file.relative_to(path))) for file in path.glob("rounds/*/*")}
    arms = ("dense", "winning", "random_reinit", "random_mask", "rewind")
    assert states == {f"rounds/N/{arm}_seedN.safetensors" for arm in arms}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_named(table: str) -> None:
    (listed,) = re.findall(rf"^- `{table}`: (.*?)\.\n(?=- |\n)", PAGE, re.M | re.S)
    assert re.findall(r"`(\w+)`", listed) == [column.name for column in TABLES[table]]
    assert f"version {FORMAT}, which" in PAGE
