"""A round after its tickets are found: each trains, and so do the controls beside it."""

from collections.abc import Mapping, Sequence

from lth_cli.controls.control import Arm, Context, Control
from lth_cli.core.arms import WINNING
from lth_cli.core.state import Init
from lth_cli.lottery.find import Search
from lth_cli.lottery.pruned_to import PrunedTo
from lth_cli.lottery.replicate import Found
from lth_cli.training.jobs import Fit, Fitted, Job


def jobs_of(
    ticket: Found,
    round: int,
    controls: Mapping[str, Control],
    init: Init,
    iterations: int,
    search: Search,
    pruned_to: PrunedTo,
) -> list[Job]:
    """The ticket, unless finding it has trained it, then its controls. Beside a learned mask no weights are trained."""
    replicate, winning = ticket.replicate, Arm(ticket.start, ticket.mask)
    budget = iterations if ticket.learned is None else 0
    context = Context(replicate.seed, round, init, budget, search.pattern.select, ticket.inverted)
    arms = {WINNING: winning} if ticket.learned is None else {}
    arms |= {name: control.make(winning, context) for name, control in controls.items()}
    jobs = []
    for name, arm in arms.items():
        values = pruned_to(arm.mask, arm.start.state.params, replicate.init.params, replicate.trained.params)
        labels = arm.random_labels
        jobs.append(Job(round, name, replicate.seed, arm.start, arm.mask, random_labels=labels, pruned_to=values))
    return jobs


def train(tickets: Sequence[Found], jobs: Sequence[Sequence[Job]], fit: Fit) -> list[Fitted]:
    """Train all jobs together; the answers ticket by ticket. A ticket that diverged takes its controls with it.

    Args:
        jobs: those of each ticket.
    """
    together = [job for own in jobs for job in own]
    answers = iter(fit(together) if together else [])
    groups = [
        [*([] if ticket.learned is None else [ticket.learned]), *(next(answers) for _ in own)]
        for ticket, own in zip(tickets, jobs, strict=True)
    ]
    return [one for group in groups if group[0] is not None for one in group if one is not None]
