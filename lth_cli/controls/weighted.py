"""Controls that keep the ticket's mask and start from other weights: the mask-1 actions of Zhou et al. (2019, §4).

What the paper calls rewind is the winning ticket itself. `keep_sign` is its "init sign": a weight takes the sign that
it has in the ticket. Biases and norms are those of the same start: fresh where the weights are fresh.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lth_cli.controls.control import Arm, Context, other_mask
from lth_cli.core.seeds import generator
from lth_cli.core.state import Mask, Params, Start, State


@dataclass(frozen=True)
class Reinit:
    """The ticket's mask on a fresh initialisation (Frankle & Carbin 2019, §2; with `keep_sign`, Zhou et al. 2019, §4).

    A fresh initialisation belongs to iteration 0, so it gets the whole schedule and budget, never less than the ticket.
    """

    keep_sign: bool

    def make(self, ticket: Arm, context: Context) -> Arm:
        fresh = context.init(context.stream("reinit"))
        params = _signed(fresh.params, ticket) if self.keep_sign else fresh.params
        return Arm(Start(State(params, fresh.buffers), 0, 0, context.iterations), ticket.mask)

    def wrong_mask(self, mask: Mask, ticket: Mask) -> str | None:
        """It is the ticket's."""
        return other_mask(mask, ticket)

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        """The mask must be the ticket's, and every layer's weights others."""
        ours, theirs = control.start.state.params, ticket.start.state.params
        if same := [name for name in ticket.mask if torch.equal(ours[name], theirs[name])]:
            return f"{same[0]} was not reinitialised"
        wrong = self.wrong_mask(control.mask, ticket.mask)
        return wrong or (_other_sign(control, ticket) if self.keep_sign else None)


@dataclass(frozen=True)
class Reshuffle:
    """The ticket's weights, each at another place that its layer keeps (Zhou et al. 2019, §4, reshuffle).

    With `keep_sign` their magnitudes move, and the signs stay. Schedule and data order are the ticket's.
    """

    keep_sign: bool

    def make(self, ticket: Arm, context: Context) -> Arm:
        stream = context.stream("reshuffle")
        params = dict(ticket.start.state.params)
        for name, m in ticket.mask.items():
            kept = params[name][m]
            params[name] = params[name].masked_scatter(m, kept[torch.randperm(len(kept), generator=stream)])
        if self.keep_sign:
            params = _signed(params, ticket)
        state = State(params, ticket.start.state.buffers)
        return Arm(replace(ticket.start, state=state), ticket.mask)

    def wrong_mask(self, mask: Mask, ticket: Mask) -> str | None:
        """It is the ticket's."""
        return other_mask(mask, ticket)

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        """Each layer must keep the same magnitudes at other places; with two weights they may fall back into place."""
        for name, ours, theirs in _kept(control, ticket):
            if not torch.equal(ours.abs().sort().values, theirs.abs().sort().values):
                return f"the weights of {name} are not the ticket's"
            if len(set(theirs.abs().tolist())) > 9 and torch.equal(ours.abs(), theirs.abs()):
                return f"{name} was not reshuffled"
        return self.wrong_mask(control.mask, ticket.mask) or (_other_sign(control, ticket) if self.keep_sign else None)


@dataclass(frozen=True)
class Constant:
    """All weights of a layer at plus or minus the deviation of its initialisation (Zhou et al. 2019, §4, constant).

    The sign is that of a fresh initialisation, or with `keep_sign` that of the ticket. As `Reinit`, from iteration 0.
    """

    keep_sign: bool

    def make(self, ticket: Arm, context: Context) -> Arm:
        original = context.init(generator(context.seed, "init"))
        fresh = context.init(context.stream("constant"))
        signs = ticket.start.state.params if self.keep_sign else fresh.params
        constant = {name: signs[name].sign() * original.params[name].std(correction=0) for name in ticket.mask}
        state = State({**fresh.params, **constant}, fresh.buffers)
        return Arm(Start(state, 0, 0, context.iterations), ticket.mask)

    def wrong_mask(self, mask: Mask, ticket: Mask) -> str | None:
        """It is the ticket's."""
        return other_mask(mask, ticket)

    def violation(self, control: Arm, ticket: Arm) -> str | None:
        """Each layer must keep one magnitude, other than those of the ticket."""
        for name, ours, theirs in _kept(control, ticket):
            if bool((ours.abs() != ours[0].abs()).any()) or torch.equal(ours, theirs):
                return f"the weights of {name} are not constant"
        return self.wrong_mask(control.mask, ticket.mask) or (_other_sign(control, ticket) if self.keep_sign else None)


def _signed(params: Params, ticket: Arm) -> Params:
    """The magnitudes of `params`, with the signs of the ticket's weights."""
    signs = {name: ticket.start.state.params[name] for name in ticket.mask}
    return {**params, **{name: params[name].abs().copysign(sign) for name, sign in signs.items()}}


def _kept(control: Arm, ticket: Arm) -> list[tuple[str, Tensor, Tensor]]:
    """Per layer that keeps any: its name, the control's weights there, and the ticket's."""
    ours, theirs = control.start.state.params, ticket.start.state.params
    return [(name, ours[name][m], theirs[name][m]) for name, m in ticket.mask.items() if bool(m.any())]


def _other_sign(control: Arm, ticket: Arm) -> str | None:
    other = [name for name, ours, theirs in _kept(control, ticket) if bool((ours * theirs < 0).any())]
    return f"a weight of {other[0]} has another sign than the ticket's" if other else None
