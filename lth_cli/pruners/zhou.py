"""The mask criteria of Zhou et al. (2019, figure 2), from the initial weights w_i and the final ones w_f.

Final are those that `pruner.at` names. The paper ranks within each layer (``scope: layerwise``). Its random criterion
is `random`, and its large_final, |w_f|, is `magnitude`.
"""

import torch
from torch import Tensor

from lth_cli.core.state import Mask, Params
from lth_cli.pruners.view import View


def small_final(view: View) -> Params:
    """-|w_f|."""
    return {name: -view.params[name].abs() for name in view.mask}


def large_init(view: View) -> Params:
    """|w_i|."""
    return {name: view.init[name].abs() for name in view.mask}


def small_init(view: View) -> Params:
    """-|w_i|."""
    return {name: -view.init[name].abs() for name in view.mask}


def large_init_large_final(view: View) -> Params:
    """min(a |w_f|, |w_i|), the a that makes both bounds cut off the same share of a layer's weights alive.

    As in the authors' code, which searches for that share; here the smaller of a weight's two ranks has the same order,
    without a search that may miss the count.

    Returns:
        Per prunable layer, the weight's shape, ranks over the number alive, in (0, 1].
    """
    return _both({name: view.params[name].abs() for name in view.mask}, large_init(view), view.mask)


def small_init_small_final(view: View) -> Params:
    """-max(a |w_f|, |w_i|), a as in `large_init_large_final`."""
    return _both(small_final(view), small_init(view), view.mask)


def magnitude_increase(view: View) -> Params:
    """|w_f| - |w_i|."""
    _require_movement(view)
    return {name: view.params[name].abs() - view.init[name].abs() for name in view.mask}


def movement(view: View) -> Params:
    """|w_f - w_i|."""
    _require_movement(view)
    return {name: (view.params[name] - view.init[name]).abs() for name in view.mask}


def _both(a: Params, b: Params, mask: Mask) -> Params:
    return {name: torch.minimum(_rank(a[name], m), _rank(b[name], m)) for name, m in mask.items()}


def _rank(values: Tensor, alive: Tensor) -> Tensor:
    """Of n values alive, 1 for the largest down to 1 / n, the earlier of equal ones first; 0 for the others."""
    ranks = torch.zeros(values.shape, dtype=torch.float64)
    order = values[alive].argsort(descending=True, stable=True)
    places = torch.arange(len(order), 0, -1, dtype=torch.float64) / max(1, len(order))
    ranks[alive] = torch.empty_like(places).index_copy_(0, order, places)
    return ranks


def _require_movement(view: View) -> None:
    if all(torch.equal(view.params[name], view.init[name]) for name in view.mask):
        raise ValueError("the weights at pruner.at are the initial ones: nothing has moved")
