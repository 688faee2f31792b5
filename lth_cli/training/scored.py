"""Networks whose weights rest while scores are trained: which of the weights to keep."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lth_cli.core import masks
from lth_cli.core.counts import Counts
from lth_cli.core.seeds import generator
from lth_cli.core.select import select
from lth_cli.core.state import Mask, Params, State
from lth_cli.pruners.learner import Learner
from lth_cli.training.jobs import Job
from lth_cli.training.networks import Plain
from lth_cli.training.noise import uniform


class Scored:
    """Rows that learn masks. What a step trains are the scores; biases and norm parameters rest with the weights.

    In training mode weights are multiplied by the learner's gates. Evaluations see the network of the mask that the
    row would have if training ended here: the highest scores, exactly as many as it is to keep.

    Args:
        network: of the weights, in which those that an earlier round pruned are zero.
    """

    def __init__(self, network: Plain, jobs: Sequence[Job], learner: Learner) -> None:
        self.network, self.jobs, self.learner, self.keep = network, jobs, learner, _keep(jobs[0])
        self.rows, self.buffers = network.rows, network.buffers
        for p in network.params.values():
            p.requires_grad_(False)
        self._device = next(iter(network.params.values())).device
        first = [_first_scores(job, learner) for job in jobs]
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

        gates = self.learner.gates(scores, self._alive, self.keep, draw)
        return self.network.logits(images, noise, self._gated(gates))

    def evaluated(self) -> Callable[[Tensor], Tensor]:
        rows = [self.mask(row) for row in range(self.rows)]
        kept = {name: torch.stack([mask[name] for mask in rows]).to(self._device) for name in self.params}
        return self.network.evaluated(self._gated(kept))

    def masks(self) -> dict[str, Tensor]:
        """None: what is pruned is the weights, which rest."""
        return {}

    def pruned_to(self) -> dict[str, Tensor]:
        return {}

    def state(self, row: int) -> State:
        state = self.network.state(row)
        return State(masks.apply(self.mask(row), state.params), state.buffers)

    def mask(self, row: int) -> Mask:
        """The highest scores of those alive; a score that is not a number is the lowest."""
        scores = {name: self.learner.rank(s.detach()[row]).cpu() for name, s in self.params.items()}
        scores = {name: s.nan_to_num(nan=-torch.inf) for name, s in scores.items()}
        return select(scores, self.jobs[row].mask, self.keep)

    def _gated(self, gates: Params) -> Params:
        weights = {name: self.network.params[name] for name in gates}
        return {name: w * gates[name].view(w.shape) for name, w in weights.items()}


def _first_scores(job: Job, learner: Learner) -> Params:
    stream, alive = generator(job.seed, "scores", job.round), masks.layer_counts(job.mask)
    return {name: learner.begin(m.shape, _keep(job).share(name, alive), stream) for name, m in job.mask.items()}


def _keep(job: Job) -> Counts:
    assert job.keep is not None
    return job.keep
