"""Pruning criteria: a function ``view -> scores``, and a YAML that names it.

`view` is all that a criterion may look at (`view.View`): the weights at the point that `pruner.at` names (init, rewind
or trained) and at each of these points, the mask so far, the network as a differentiable function, training examples,
and a stream of random numbers of its own. The answer is a tensor per layer of ``view.mask``, of the weight's shape, any
real number or ±inf: larger is kept. What comes after is shared: `select` keeps exactly as many as the round asks for,
under the pattern, never reviving a weight. Options of a criterion are further arguments, with their value in the YAML.

    def relative(view: View) -> Params:
        return {name: view.params[name].abs() / view.params[name].abs().mean() for name in view.mask}

With ``at: init`` and one round, that is pruning at initialisation. With ``steps: n`` a round's count is reached in n
steps, the criterion being asked anew after each: that is how SynFlow prunes, and what makes SNIP iterative.

`Supermask` and `EdgePopup` are no such functions: they say how a mask is learned (`learner.Learner`).
"""

from lth_cli.pruners.by_gradient import grasp, snip, synflow, taylor
from lth_cli.pruners.by_weight import lamp, magnitude, random
from lth_cli.pruners.edge_popup import EdgePopup
from lth_cli.pruners.supermask import Supermask
from lth_cli.pruners.view import View
from lth_cli.pruners.zhou import (
    large_init,
    large_init_large_final,
    magnitude_increase,
    movement,
    small_final,
    small_init,
    small_init_small_final,
)

__all__ = [
    "EdgePopup",
    "Supermask",
    "View",
    "grasp",
    "lamp",
    "large_init",
    "large_init_large_final",
    "magnitude",
    "magnitude_increase",
    "movement",
    "random",
    "small_final",
    "small_init",
    "small_init_small_final",
    "snip",
    "synflow",
    "taylor",
]
