"""Networks whose weights rest while scores are trained: which of the weights to keep."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lth_cli.core import masks
from lth_cli.core.seeds import generator
from lth_cli.core.select import select
from lth_cli.core.state import Mask, Params, State
from lth_cli.training.jobs import Job, Learn
from lth_cli.training.networks import Network, Plain
from lth_cli.training.noise import uniform


class Learning:
    """Rows that learn masks. What a step trains are the scores; biases and norm parameters rest with the weights.

    In training mode weights are multiplied by the learner's gates. Evaluations see the network of the mask that the
    row would have if training ended here: the highest scores, exactly as many as it is to keep.

    Args:
        network: of the weights, in which those that an earlier round pruned are zero.
    """

    def __init__(self, network: Plain, jobs: Sequence[Job], learn: Learn) -> None:
        self.network, self.jobs, self.learn = network, jobs, learn
        self.rows, self.buffers = network.rows, network.buffers
        for p in network.params.values():
            p.requires_grad_(False)
        self._device = next(iter(network.params.values())).device
        first = [_first_scores(job, learn) for job in jobs]
        self.params: Params = {
            name: torch.stack([scores[name] for scores in first]).to(self._device).requires_grad_()
            for name in jobs[0].mask
        }
        self._alive = {name: torch.stack([job.mask[name] for job in jobs]).flatten(1) for name in jobs[0].mask}
        self._alive = {name: m.to(self._device, torch.float32) for name, m in self._alive.items()}

    def logits(self, images: Tensor, noise: Tensor) -> Tensor:
        scores = {name: s.flatten(1) for name, s in self.params.items()}
        layers = list(scores)

        def draw(layer: int) -> Tensor:
            return uniform(noise, layer, scores[layers[layer]].shape[1])

        gates = self.learn.how.gates(scores, self._alive, self.learn.keep, draw)
        return self.network.logits(images, noise, self._gated(gates))

    def evaluated(self) -> Callable[[Tensor], Tensor]:
        rows = [self.learned(row) for row in range(self.rows)]
        kept = {name: torch.stack([mask[name] for mask in rows]).to(self._device) for name in self.params}
        return self.network.evaluated(self._gated(kept))

    def masks(self) -> dict[str, Tensor]:
        """None: what is pruned is the weights, which rest."""
        return {}

    def pruned_to(self) -> dict[str, Tensor]:
        return {}

    def state(self, row: int) -> State:
        state = self.network.state(row)
        return State(masks.apply(self.learned(row), state.params), state.buffers)

    def learned(self, row: int) -> Mask:
        """The highest scores of those alive; a score that is not a number is the lowest."""
        scores = {name: self.learn.how.rank(s.detach()[row]).cpu() for name, s in self.params.items()}
        scores = {name: s.nan_to_num(nan=-torch.inf) for name, s in scores.items()}
        return select(scores, self.jobs[row].mask, self.learn.keep)

    def _gated(self, gates: Params) -> Params:
        weights = {name: self.network.params[name] for name in gates}
        return {name: w * gates[name].view(w.shape) for name, w in weights.items()}


def learning(network: Plain, jobs: Sequence[Job]) -> Network:
    """The rows of a training: those that learn a mask, or the network itself."""
    learn = jobs[0].learn
    return network if learn is None else Learning(network, jobs, learn)


def _first_scores(job: Job, learn: Learn) -> Params:
    stream, keep = generator(job.seed, "scores", job.round), learn.keep
    scores = {}
    for name, m in job.mask.items():
        alive = masks.remaining(job.mask) if isinstance(keep, int) else int(m.sum())
        kept = keep if isinstance(keep, int) else keep[name]
        scores[name] = learn.how.begin(m.shape, kept / max(1, alive), stream)
    return scores
