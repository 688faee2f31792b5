"""When what is being watched ends, at the pace of its rounds so far."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from lth_cli.core.arms import drawn_by
from lth_cli.rundir.glance import Glance, seconds
from lth_cli.rundir.shelf import Group


def networks(config: Mapping[str, Any], rounds: int) -> list[int]:
    """How many networks of a seed each round trains, from round 0 on; 1 where the config does not say more."""
    at = config.get("controls_at")
    listed = {one for one in at if isinstance(one, int)} if isinstance(at, list) else set[int]()
    beside = len(drawn_by(config))
    again = 1 + (config.get("dense_retrained") is True)

    def has_controls(round: int) -> bool:
        return at == "all" or (at == "last" and round == rounds) or round in listed

    return [1, *(again + beside * has_controls(round) for round in range(1, rounds + 1))]


def of_run(run: Glance, trained: Sequence[int], ends: Sequence[float], now: float) -> float | None:
    """Seconds that are left of a run; None before its first round since it began, or went on.

    Args:
        trained: how many networks each round trains, from round 0 on.
        ends: when each finished round ended, in seconds since 1970.
    """
    resumed = run.record.get("resumed") or [{}]
    first = resumed[-1].get("round", 0)
    began = seconds(resumed[-1].get("at"), run.when)
    ended = min(len(ends), (run.round if run.round is not None else -1) + 1)
    if type(first) is not int or not 0 <= first < ended:
        return None
    each = max(0.0, ends[ended - 1] - began) / sum(trained[first:ended])
    return max(0.0, each * sum(trained[ended:]) - max(0.0, now - ends[ended - 1]))


def of_sweep(group: Group) -> float | None:
    """Seconds that are left of a sweep, with as many jobs at a time as now; None until one is done."""
    took = [spent for run in group.runs if run.status == "done" and (spent := _spent(run)) is not None]
    if not took or group.expected is None:
        return None
    running = [run for run in group.runs if run.status == "running"]
    left = group.missing + sum(
        1 - (-1 if run.round is None else run.round) / max(1, run.rounds or 1) for run in running
    )
    return fmean(took) * left / max(1, len(running))


def _spent(run: Glance) -> float | None:
    ended = seconds(run.record.get("ended"), 0.0)
    resumed = run.record.get("resumed") or [{}]
    began = seconds(resumed[-1].get("at"), run.when)
    return ended - began if 0 < began <= ended else None
