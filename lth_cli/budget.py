"""How many weights each round keeps: a schedule's densities, over all layers or layer by layer, in whole weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lth_cli.schedules import Density

Keep = int | dict[str, int]


@dataclass(frozen=True)
class Layer:
    """A prunable layer: its number of weights, and its kind (conv, fc, or output: the last linear layer)."""

    size: int
    kind: str


def plan(
    layers: Mapping[str, Layer],
    schedule: Callable[[int, int], Density],
    rounds: int,
    scope: str,
    rates: Mapping[str, float],
) -> list[Keep]:
    """What rounds 0 … `rounds` keep, as `select` takes it: a total (global) or a number per layer (layerwise).

    Every number is computed from the start, so rounding never accumulates: a total is round(weights * density).
    Layer by layer, a round removes the fraction r * rate of each layer, with one r such that the total is met;
    ``rates={"output": 0.5}`` is the "output layer at half the rate" of Frankle & Carbin (2019, §2). They fix r = 0.2
    and let the total follow, which is what a schedule with a density per kind does here.

    Args:
        rates: multiplier of the pruning rate per layer kind, at least 0; 0 never prunes that kind; 1 where not named.

    Raises:
        ValueError: a round keeps nothing at all, or the rates do not allow the density.
    """
    rate = {name: rates.get(layer.kind, 1.0) for name, layer in layers.items()}
    size = {name: float(layer.size) for name, layer in layers.items()}
    target = dict(size)
    keeps: list[Keep] = [_whole(target, sum(layer.size for layer in layers.values()), None)]
    for round in range(1, rounds + 1):
        density = schedule(round, rounds)
        if isinstance(density, dict):
            if scope == "global" and len({density.get(layer.kind, 1.0) for layer in layers.values()}) > 1:
                raise ValueError("rates by layer kind need pruner.scope=layerwise")
            before = schedule(round - 1, rounds)
            if not isinstance(before, dict):
                raise ValueError(f"one density in round {round - 1}, but one per layer kind in round {round}")
            removed = {n: 1 - density.get(la.kind, 1.0) / before.get(la.kind, 1.0) for n, la in layers.items()}
            target = {n: t * max(0.0, 1 - removed[n] * rate[n]) for n, t in target.items()}
            total = _round(sum(target.values()))
        else:
            exact = sum(size.values()) * density
            total, target = _round(exact), _shrink(target, rate, exact)
        if total == 0:
            raise ValueError(f"round {round} would keep none of {sum(size.values()):,.0f} weights")
        previous = keeps[-1]
        assert isinstance(previous, dict)
        if total > sum(previous.values()):
            raise ValueError(
                f"round {round} would keep more than round {round - 1}, but pruning never revives a weight"
            )
        keeps.append(_whole(target, total, previous))
    return keeps if scope == "layerwise" else [sum(k.values()) for k in keeps if isinstance(k, dict)]


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


def _whole(target: Mapping[str, float], total: int, previous: Mapping[str, int] | None) -> dict[str, int]:
    """Whole numbers that sum to `total`, each next to its target, by largest remainder; none above `previous`."""
    # A target that is whole but for float error must not lose a weight to floor().
    whole = {name: int(t + 1e-6) for name, t in target.items()}
    spare = total - sum(whole.values())
    by_remainder = sorted(target, key=lambda name: whole[name] - target[name])
    while spare > 0:  # a second pass only where `previous` left no room in a layer that was due
        for name in by_remainder:
            if spare > 0 and (previous is None or whole[name] < previous[name]):
                whole[name] += 1
                spare -= 1
    return whole
