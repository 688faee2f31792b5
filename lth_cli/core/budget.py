"""How many weights each round keeps: a schedule's densities, over all layers or layer by layer, in whole weights."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from lth_cli.core.counts import Counts
from lth_cli.core.layers import KINDS, Density, Layer


def plan(
    layers: Mapping[str, Layer],
    schedule: Callable[[int, int], Density],
    rounds: int,
    scope: str,
    rates: Mapping[str, float],
) -> list[Counts]:
    """What rounds 0 … `rounds` keep: so many in all (global), or of each layer (layerwise, erk).

    Every number is computed from the start, so rounding never accumulates: a total is round(weights * density).
    Layer by layer, a round removes the fraction r * rate of each layer, with one r such that the total is met;
    ``rates={"output": 0.5}`` is the "output layer at half the rate" of Frankle & Carbin (2019, §2). They fix r = 0.2
    and let the total follow, which is what a schedule with a density per kind does here.

    Args:
        scope: global, layerwise, or erk: layer by layer, at the densities of `erk`.
        rates: multiplier of the pruning rate, at least 0, by layer kind or by a pattern of layer names (``"conv*"``),
            the last that matches; 0 never prunes; 1 where none matches.

    Raises:
        ValueError: a round keeps nothing at all, or the rates do not allow the density.
    """
    rate = _rates(layers, rates)
    size = {name: float(layer.size) for name, layer in layers.items()}
    target = dict(size)
    keep = [Counts.each(whole(target, sum(layer.size for layer in layers.values())))]
    for round in range(1, rounds + 1):
        density = schedule(round, rounds)
        if isinstance(density, dict):
            if scope != "layerwise" and len({density.get(layer.kind, 1.0) for layer in layers.values()}) > 1:
                raise ValueError("rates by layer kind need pruner.scope=layerwise")
            before = schedule(round - 1, rounds)
            if not isinstance(before, dict):
                raise ValueError(f"one density in round {round - 1}, but one per layer kind in round {round}")
            removed = {n: 1 - density.get(la.kind, 1.0) / before.get(la.kind, 1.0) for n, la in layers.items()}
            target = {n: t * max(0.0, 1 - removed[n] * rate[n]) for n, t in target.items()}
            total = _round(sum(target.values()))
        else:
            exact = sum(size.values()) * density
            total = _round(exact)
            target = spread(erk(layers), layers, total) if scope == "erk" else _shrink(target, rate, exact)
        if total == 0:
            raise ValueError(f"round {round} would keep none of {sum(size.values()):,.0f} weights")
        if total > keep[-1].total:
            raise ValueError(
                f"round {round} would keep more than round {round - 1}, but pruning never revives a weight"
            )
        keep.append(Counts.each(whole(target, total, keep[-1].by_layer)))
    return [Counts(counts.total) for counts in keep] if scope == "global" else keep


def erk(layers: Mapping[str, Layer]) -> dict[str, float]:
    """Erdős–Rényi-kernel densities up to a factor: the sum of the weight's dimensions over their product.

    (in + out + height + width) / (in * out * height * width), and (in + out) / (in * out) for a linear layer
    (Evci et al. 2020, §3, after Mocanu et al. 2018): larger layers are sparser.
    """
    return {name: sum(layer.shape) / layer.size for name, layer in layers.items()}


def spread(densities: Mapping[str, float], layers: Mapping[str, Layer], total: float) -> dict[str, float]:
    """Weights per layer in proportion to `densities` times its size, none above its size, that sum to `total`.

    A layer that would be more than dense is dense, and the others share what is left in the same proportion.
    """
    target: dict[str, float] = {}
    while rest := {name: layer.size * densities[name] for name, layer in layers.items() if name not in target}:
        factor = (total - sum(target.values())) / sum(rest.values())
        full = {name: float(layers[name].size) for name in rest if factor * densities[name] >= 1}
        target |= full or {name: factor * share for name, share in rest.items()}
    return {name: target[name] for name in layers}


def _rates(layers: Mapping[str, Layer], rates: Mapping[str, float]) -> dict[str, float]:
    """The rate of each layer, whose name is its parameter's without ``.weight``."""
    names = [name.removesuffix(".weight") for name in layers]
    for pattern in rates:
        if pattern not in KINDS and not any(fnmatchcase(name, pattern) for name in names):
            there = ", ".join((*KINDS, *names))
            raise ValueError(f"pruner.rates.{pattern}: no layer is called so, nor a kind of layers: {there}")
    found = {}
    for name, (parameter, layer) in zip(names, layers.items(), strict=True):
        named = [rate for pattern, rate in rates.items() if pattern not in KINDS and fnmatchcase(name, pattern)]
        found[parameter] = named[-1] if named else rates.get(layer.kind, 1.0)
    return found


def _round(x: float) -> int:
    # 0.1 * 25 is 2.5000000000000004 or 2.4999999999999996 depending on how it is reached: forget the last digits.
    return round(round(x, 6))


def _shrink(target: dict[str, float], rate: Mapping[str, float], total: float) -> dict[str, float]:
    """Scale each layer by 1 - r * rate, with the one r >= 0 at which they sum to `total`; found by bisection."""

    def at(r: float) -> dict[str, float]:
        return {name: t * max(0.0, 1 - r * rate[name]) for name, t in target.items()}

    fixed = sum(t for name, t in target.items() if rate[name] == 0)
    if total < fixed - 0.5:
        raise ValueError(f"layers with rate 0 alone hold {fixed:,.0f} weights, more than the {total:,.0f} to be kept")
    positive = [r for r in rate.values() if r > 0]
    if not positive:
        return target
    low, high = 0.0, 1 / min(positive)
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(at(middle).values()) > total else (low, middle)
    return at(high)


def whole(target: Mapping[str, float], total: int, previous: Mapping[str, int] | None = None) -> dict[str, int]:
    """Whole numbers that sum to `total`, each next to its target, by largest remainder; none above `previous`."""
    # A target that is whole but for float error must not lose a weight to floor().
    counts = {name: int(t + 1e-6) for name, t in target.items()}
    spare = total - sum(counts.values())
    by_remainder = sorted(target, key=lambda name: counts[name] - target[name])
    while spare > 0:  # a second pass only where `previous` left no room in a layer that was due
        for name in by_remainder:
            if spare > 0 and (previous is None or counts[name] < previous[name]):
                counts[name] += 1
                spare -= 1
    return counts
