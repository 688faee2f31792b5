"""Tickets and masks of a study, for the pictures that look at weights."""

from collections.abc import Iterator

from lth_cli.core.state import Mask
from lth_cli.core.ticket import Ticket
from lth_cli.pictures.studies import Study
from lth_cli.rundir import names
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.read import Run
from lth_cli.rundir.restore import read_state


def tickets(study: Study) -> Iterator[tuple[int, Run, Ticket]]:
    """The last ticket of each seed that has one: one that diverged has none.

    Raises:
        Damaged: a file is no ticket.
    """
    for seed, run in study.runs.items():
        file = run.path / names.ticket(seed)
        try:
            yield seed, run, Ticket.load(file, run.path)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise Damaged(f"{file}: {str(error)[:200]}") from None


def mask_at(study: Study, arm: str, round: int, seed: int) -> Mask:
    """The mask of a network on disk; raises Damaged."""
    return read_state(study.runs[seed].path, names.state((round, arm, seed)))[0]
