"""How often verdicts err where the truth is known: python -m benchmarks.simulate. The tests hold the same bounds."""

from collections.abc import Callable

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from lth_cli.results.statistics import Paired, Verdict, verdicts

_TRIALS, _ROUNDS, _SEEDS = 10_000, 20, (2, 3, 5, 10)
_NOISE: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda stream, shape: stream.normal(size=shape),
    "heavy-tailed": lambda stream, shape: stream.standard_t(3, size=shape),
}


def _share(found: list[bool]) -> str:
    return f"{100 * sum(found) / len(found):.1f}%"


def main() -> None:
    """A row per noise and number of seeds; the deviation of a difference is about one point, the tolerance one."""
    table = Table("differences", "seeds", "interval covers 0", "winning", "winning, any of 20 rounds", "matching at -2",
                  box=box.SIMPLE_HEAD)  # fmt: skip
    for name, draw in _NOISE.items():
        for n in _SEEDS:
            drawn = draw(np.random.default_rng(n), (_TRIALS, _ROUNDS, n))
            trials = [[Paired.of(seeds) for seeds in rounds] for rounds in drawn.tolist()]
            worse = [Paired.of(seeds) for seeds in (drawn[:, 0] - 2).tolist()]
            table.add_row(
                name,
                str(n),
                _share([abs(one.mean) <= float(one.margin or 0) for one, *_ in trials]),
                _share([verdicts(rounds[:1], 1)[0] is Verdict.winning for rounds in trials]),
                _share([Verdict.winning in verdicts(rounds, 1) for rounds in trials]),
                _share([verdicts([one], 1)[0] in (Verdict.matching, Verdict.winning) for one in worse]),
            )
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
