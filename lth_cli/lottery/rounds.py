"""A round after its tickets are found: each trains, and so do the controls beside it."""

from collections.abc import Iterable, Mapping, Sequence

from lth_cli.controls.control import Arm, Context, Control
from lth_cli.core.arms import DENSE_RETRAINED, WINNING
from lth_cli.core.state import Init
from lth_cli.lottery.find import Search
from lth_cli.lottery.pruned_to import PrunedTo
from lth_cli.lottery.replicate import Found, Replicate
from lth_cli.training.jobs import Fit, Fitted, Job


def jobs_of(
    ticket: Found,
    round: int,
    controls: Mapping[str, Control],
    init: Init,
    iterations: int,
    search: Search,
    pruned_to: PrunedTo,
    unpruned: Mapping[int, Replicate],
) -> list[Job]:
    """The ticket, unless finding it has trained it, then its controls. Beside a learned mask no weights are trained.

    Last the dense network of its seed, if it is in `unpruned`: once more from where a ticket would restart.
    """
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
    if search.retrain is not None and (dense := unpruned.get(replicate.seed)) is not None:
        jobs.append(Job(round, DENSE_RETRAINED, dense.seed, search.retrain(dense), dense.mask))
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


def after(replicates: Iterable[Replicate], arm: str, fitted: Sequence[Fitted]) -> dict[int, Replicate]:
    """By seed, the replicates whose `arm` was trained, as they are then."""
    trained = {one.job.seed: one for one in fitted if one.job.arm == arm}
    return {one.seed: one.after(trained[one.seed]) for one in replicates if one.seed in trained}
