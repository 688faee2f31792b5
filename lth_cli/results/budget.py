"""Rounds of equal search cost: one-shot pruning trains twice, ten rounds train eleven times."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from lth_cli.core.arms import DENSE, WINNING
from lth_cli.results.cost import Cost
from lth_cli.results.experiment import Experiment

_UNITS: dict[str, Callable[[Cost], float | None]] = {
    "FLOPs": lambda cost: cost.flops,
    "examples": lambda cost: cost.examples,
    "iterations": lambda cost: cost.iterations,
}


@dataclass(frozen=True)
class Budget:
    """What every experiment can spend on its search: all that the cheapest of them did.

    Args:
        amount: of training.
        unit: FLOPs; or examples or iterations, where that is all that every experiment knows.
        of: the name of the cheapest.
    """

    amount: float
    unit: str
    of: str

    @classmethod
    def least(cls, experiments: Sequence[Experiment]) -> "Budget":
        """Raises ValueError where none has a ticket."""
        dear = [(one, one.search(WINNING, max(one.densities(WINNING)))) for one in experiments if WINNING in one.arms]
        if not dear:
            raise ValueError("--budget: no run has a ticket")
        unit = next(unit for unit, spent in _UNITS.items() if None not in (spent(cost) for _, cost in dear))
        amount, of = min((_UNITS[unit](cost) or 0.0, one.name) for one, cost in dear)
        return cls(amount, unit, of)

    def rounds(self, experiment: Experiment, arm: str) -> Set[int]:
        """Up to the last ticket for which there is enough, the last round of an arm. A `Rounds`.

        What a control takes is no part of the search, and it is shown with its ticket, whatever it took.
        """
        if arm == DENSE:
            return {0}
        last = self.last(experiment)
        found = [round for round in experiment.densities(arm) if last is not None and round <= last]
        return {max(found)} if found else set()

    def last(self, experiment: Experiment) -> int | None:
        """The round of the last ticket for which there is enough; None where the first is too dear."""
        spent = {round: _UNITS[self.unit](experiment.search(WINNING, round)) for round in experiment.densities(WINNING)}
        return max((k for k, amount in spent.items() if amount is not None and amount <= self.amount), default=None)

    def __str__(self) -> str:
        return f"{self.amount:.3g} {self.unit}, the whole search of {self.of}"
