"""`lth verify` checks every ticket and rewind point that is there, also of a run that is not done."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lth_cli.core.ticket import Ticket
from lth_cli.results.checks.verify import verify
from lth_cli.rundir.manifest import Manifest
from tests.command import Lth
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


def unlisted(run: Path, *lost: str) -> None:
    manifest = Manifest.load(run)
    files = {name: digest for name, digest in manifest.files.items() if name not in lost}
    claims = {name: digest for name, digest in manifest.claims.items() if name not in lost}
    Manifest(files, manifest.rows, claims).save(run)


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
    unlisted(run, TICKET)
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
        ("tickets/seed5.safetensors", "tickets", ": of a seed that is not in history"),
        ("rounds/00/rewind_seed9.safetensors", "arms", " is of a seed that is not in history"),
    ],
)
def test_what_is_of_no_seed_of_the_run_is_found(
    name: str, check: str, words: str, finished: Callable[..., Path], run: Path
) -> None:
    shutil.copy(finished() / name.replace("9", "0").replace("5", "0"), run / name)
    listed(run, name)
    believed(run)
    assert wrong(run) == {check: [f"{name}{words}"]}


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        ("config.yaml", "files", "config.yaml is not in manifest.json"),
        (TICKET, "tickets", f"{TICKET} is not in manifest.json"),
        ("rounds/00/rewind_seed0.safetensors", "arms", "rounds/00/rewind_seed0.safetensors is not in manifest.json"),
        ("data_sha256", "claims", "run.json: data_sha256 is not what was written"),
    ],
)
def test_what_every_manifest_lists_is_missed(name: str, check: str, words: str, run: Path) -> None:
    unlisted(run, name)
    assert wrong(run) == {check: [words]}


def test_a_claim_that_lost_its_hash_is_left_out_of_a_comparison(run: Path, lth: Lth) -> None:
    unlisted(run, "device")
    compared = lth("compare", "run")
    assert (compared.returncode, compared.stdout) == (2, "")
    assert "run.json: device: not what was written" in compared.stderr


@pytest.mark.parametrize(
    ("tensors", "texts", "metadata", "words"),
    [
        ({"junk/x": torch.ones(3)}, {}, {}, "no run writes its tensor junk/x"),
        ({}, {"other": "x"}, {}, "no run writes its metadata other"),
        ({}, {}, {"flops": 1}, "no run writes its metadata flops"),
    ],
)
def test_what_no_run_writes_into_a_ticket_is_found(
    tensors: dict[str, torch.Tensor], texts: dict[str, str], metadata: dict[str, int], words: str, run: Path
) -> None:
    said = {**Ticket.load(run / TICKET).metadata, **metadata}
    save_file({**load_file(run / TICKET), **tensors}, run / TICKET, {"ticket": json.dumps(said), **texts})
    believed(run)
    assert wrong(run) == {"tickets": [f"{TICKET}: {words}"]}


def test_what_a_ticket_does_not_say_is_not_known(run: Path) -> None:
    said = dict(Ticket.load(run / TICKET).metadata)
    del said["density"], said["seed"]
    save_file(load_file(run / TICKET), run / TICKET, {"ticket": json.dumps(said)})
    believed(run)
    (tickets,) = (check for check in verify(run) if check.name == "tickets")
    assert (tickets.wrong, tickets.not_known) == ([], ["seed0.safetensors: its metadata does not say density, seed"])


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ({"output.weight": "conv"}, "run.json: output.weight is of kind conv, of shape (10, 8)"),
        ({"fc1.weight": "output"}, "run.json: 2 layers are of kind output"),
        ({"output.weight": "fc"}, "run.json: 0 layers are of kind output"),
    ],
)
def test_kinds_of_layers_that_cannot_be_are_found(kinds: dict[str, str], words: str, run: Path) -> None:
    layers = json.loads((run / "run.json").read_text())["layers"]
    claim("layers", {name: {**one, "kind": kinds.get(name, one["kind"])} for name, one in layers.items()})(run)
    believed(run)
    assert words in wrong(run)["claims"]
