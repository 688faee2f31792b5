"""Tickets and masks of a study, for the pictures that look at weights: one at a time, as they may be large."""

import os

from lth_cli.core.state import Mask
from lth_cli.core.ticket import Ticket
from lth_cli.pictures.studies import Study
from lth_cli.rundir import names
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.restore import read_state


def with_ticket(study: Study) -> list[int]:
    """The seeds that have a last ticket: one that diverged has none."""
    return [seed for seed, run in study.runs.items() if os.path.lexists(run.path / names.ticket(seed))]


def ticket_of(study: Study, seed: int) -> Ticket:
    """The last ticket of a seed.

    Raises:
        Damaged: the file is no ticket.
    """
    run = study.runs[seed].path
    try:
        return Ticket.load(run / names.ticket(seed), run)
    except (OSError, ValueError) as error:
        raise Damaged(f"{run / names.ticket(seed)}: {str(error)[:200]}") from None


def mask_at(study: Study, arm: str, round: int, seed: int) -> Mask:
    """The mask of a network on disk; raises Damaged."""
    return read_state(study.runs[seed].path, names.state((round, arm, seed)))[0]
