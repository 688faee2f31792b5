"""`lth verify` checks every ticket and rewind point that is there, also of a run that is not done."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lth_cli.core.ticket import Ticket
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.manifest import Manifest
from tests.lies import believed, claim, wrong

TICKET = "tickets/seed0.safetensors"


def forged(path: Path) -> None:
    """A ticket with another mask, and with other weights, that is in order by itself."""
    ticket = Ticket.load(path)
    weights = {name: 3 * p + 1 for name, p in ticket.weights.items()}
    Ticket({name: ~m for name, m in ticket.mask.items()}, weights, ticket.buffers, ticket.metadata).save(path)


def listed(run: Path, name: str) -> None:
    manifest = Manifest.load(run)
    manifest.files[name] = "0" * 64
    manifest.save(run)


@pytest.mark.parametrize("status", ["done", "interrupted", "failed", "running"])
def test_a_forged_ticket_is_found_whatever_the_status(status: str, run: Path) -> None:
    forged(run / TICKET)
    if status != "done":
        claim("status", status)(run)
    believed(run)
    found = wrong(run)["tickets"]
    assert f"{TICKET}: not the mask of round 3" in found
    assert f"{TICKET}: its weights are not those of the rewind point" in found


def test_a_ticket_that_no_manifest_lists_is_not_known(run: Path) -> None:
    """As after more rounds were asked for; then the last round is not there yet."""
    manifest = Manifest.load(run)
    del manifest.files[TICKET]
    manifest.save(run)
    claim("status", "interrupted")(run)
    (tickets,) = (check for check in verify(run) if check.name == "tickets")
    assert (tickets.wrong, [line.partition(":")[0] for line in tickets.not_known]) == ([], [TICKET])


def test_a_ticket_of_a_round_that_is_not_there_is_found(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    claim("status", "interrupted")(run)
    claim("keep", [*record["keep"], record["keep"][-1] - 1])(run)
    believed(run)
    assert wrong(run)["tickets"] == [f"{TICKET}: of round 4, but history ends at round 3, winning, seed 0"]


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        ("tickets/seed5.safetensors", "tickets", "of a seed that is not in history"),
        ("rounds/00/rewind_seed9.safetensors", "arms", "a rewind point of a seed that is not in history"),
    ],
)
def test_what_is_of_no_seed_of_the_run_is_found(
    name: str, check: str, words: str, finished: Callable[..., Path], run: Path
) -> None:
    shutil.copy(finished() / name.replace("9", "0").replace("5", "0"), run / name)
    listed(run, name)
    believed(run)
    assert wrong(run) == {check: [f"{name}: {words}"]}
