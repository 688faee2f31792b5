"""Controls that start from the ticket's weights under another mask, of the same pattern and the same number of weights.

Where a rewind strategy keeps trained weights, a weight that an earlier round pruned starts from the last value it had.
The optimizer starts fresh: what it remembers is of the dense network or of the ticket, and Adam's squared gradients of
these can make the steps of another mask too small to learn at all.
"""

from dataclasses import dataclass, replace

import torch

from lth_cli.controls.control import SCORES, Arm, Context
from lth_cli.core import masks
from lth_cli.core.budget import spread, whole
from lth_cli.core.counts import Counts
from lth_cli.core.layers import Layer
from lth_cli.core.state import Mask, State


@dataclass(frozen=True)
class RandomMask:
    """A random mask that keeps as many weights of each layer as the ticket (Frankle & Carbin 2019, appendix F.2).

    Shuffling a mask within its layers (Frankle et al. 2021, §5) draws from the same masks: the same control.
    """

    def make(self, ticket: Arm, context: Context) -> Arm:
        stream = context.stream("mask")
        return _under({name: _elsewhere(name, m, context, stream) for name, m in ticket.mask.items()}, ticket)

    def wrong_mask(self, mask: Mask, ticket: Mask) -> str | None:
        """Each layer must keep its count at other places."""
        if masks.layer_counts(mask) != masks.layer_counts(ticket):
            return "other layer counts than the ticket"
        same = [name for name, m in ticket.items() if masks.can_differ(m) and torch.equal(mask[name], m)]
        return f"the mask of {same[0]} is the ticket's" if same else None

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        """The mask must be another of its kind, and the weights kept must be alive."""
        if wrong := self.wrong_mask(control.mask, ticket.mask):
            return wrong
        for name, m in ticket.mask.items():
            dead = _kept_at_zero(control, name)
            # A drawn weight may be zero by chance, but not one in a hundred.
            if dead > _kept_at_zero(ticket, name) + max(1, 0.01 * int(m.sum())):
                return f"{dead:,} weights of {name} that it keeps start at zero"
        return _other_start(control, ticket)


@dataclass(frozen=True)
class Invert:
    """The weights that the criterion likes least (Frankle et al. 2021, §5, invert, who prune once).

    Over several rounds a weight ranks as in the last one that scored it, and one that was pruned earlier ranks lower:
    where the ticket keeps at most half, nothing of it is kept. As many in all as the ticket, and where scope is
    layerwise as many in each layer.
    """

    needs = (SCORES,)

    def make(self, ticket: Arm, context: Context) -> Arm:
        assert context.inverted is not None
        return _under(context.inverted(), ticket)

    def wrong_mask(self, mask: Mask, ticket: Mask) -> str | None:
        """Another mask of the same total; only a mask that prunes nothing is its own inverse."""
        if masks.remaining(ticket) < masks.total(ticket) and masks.equal(mask, ticket):
            return "the mask is the ticket's"
        return _other_total(mask, ticket)

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        """The mask must be another, on the ticket's start."""
        return self.wrong_mask(control.mask, ticket.mask) or _other_start(control, ticket)


@dataclass(frozen=True)
class SmartRatio:
    """A random mask with hand-made layer counts: smart-ratio random tickets (Su et al. 2020, §4.2).

    Of L layers the l-th keeps a fraction in proportion to (L - l + 1)² + (L - l + 1), the last linear layer 0.3; none
    is more than dense, and the total is the ticket's.

    Deviations: only the last linear layer is set to 0.3, where the paper's networks have no other; their extra factor
    1/l² for VGG is not taken. Where 0.3 of that layer is more than the whole ticket, it follows the formula as well.

    Args:
        output: the fraction of the last linear layer.
    """

    output: float

    def __post_init__(self) -> None:
        if type(self.output) not in (int, float) or not 0 <= self.output <= 1:
            raise ValueError(f"output={self.output}: a fraction kept, in [0, 1]")

    def make(self, ticket: Arm, context: Context) -> Arm:
        stream = context.stream("smart_ratio")
        counts = self._counts(ticket.mask)
        scores = {name: torch.rand(m.shape, generator=stream) for name, m in ticket.mask.items()}
        return _under(context.select(scores, _dense(ticket.mask), Counts.each(counts)), ticket)

    def wrong_mask(self, mask: Mask, ticket: Mask) -> str | None:
        """The total must be the ticket's, the counts those of the formula."""
        if masks.layer_counts(mask) != self._counts(ticket):
            return "not the layer counts of the smart ratio"
        return _other_total(mask, ticket)

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        """The mask must be of the formula, on the ticket's start."""
        return self.wrong_mask(control.mask, ticket.mask) or _other_start(control, ticket)

    def _counts(self, mask: Mask) -> dict[str, int]:
        total, depth = masks.remaining(mask), len(mask)
        layers = {name: Layer(m.shape, "") for name, m in mask.items()}
        densities = {name: float((depth - i) ** 2 + (depth - i)) for i, name in enumerate(mask)}
        linear = [name for name, m in mask.items() if m.dim() == 2]
        fixed: dict[str, float] = {}
        if linear and self.output * layers[linear[-1]].size < total:
            last = layers.pop(linear[-1])
            fixed[linear[-1]] = max(self.output * last.size, total - sum(layer.size for layer in layers.values()))
        target = spread(densities, layers, total - sum(fixed.values())) | fixed
        return whole({name: target[name] for name in mask}, total)


def _under(mask: Mask, ticket: Arm) -> Arm:
    """From the ticket's weights, with a fresh optimizer."""
    state = ticket.start.state
    return Arm(replace(ticket.start, state=State(state.params, state.buffers)), mask)


def _elsewhere(name: str, m: torch.Tensor, context: Context, stream: torch.Generator) -> torch.Tensor:
    """A random mask of the same count; in a layer of a handful of weights it may well be the same, hence the redraw."""
    while True:
        scores = {name: torch.rand(m.shape, generator=stream)}
        drawn = context.select(scores, _dense({name: m}), Counts.each({name: int(m.sum())}))[name]
        if not masks.can_differ(m) or not torch.equal(drawn, m):
            return drawn


def _dense(mask: Mask) -> Mask:
    return {name: torch.ones_like(m) for name, m in mask.items()}


def _kept_at_zero(arm: Arm, name: str) -> int:
    return int((arm.start.state.params[name][arm.mask[name]] == 0).sum())


def _other_total(mask: Mask, ticket: Mask) -> str | None:
    return None if masks.remaining(mask) == masks.remaining(ticket) else "other weights in all than the ticket"


def _other_start(control: Arm, ticket: Arm) -> str | None:
    ours, theirs = control.start.state.params, ticket.start.state.params
    other = [name for name in theirs if not torch.equal(ours[name], theirs[name])]
    return f"{other[0]} does not start as the ticket's" if other else None
