"""The check of config.yaml by what it was composed of: Hydra's own record of it, and lth's primary config."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from lth_cli.results.checks.chosen import OWN_YAML, leaves, number, words_of
from lth_cli.results.checks.files import Files, NotKnown
from lth_cli.results.overrides import is_missing, lookup, parse
from lth_cli.rundir import names, within
from lth_cli.rundir.config import flat, parse_config
from lth_cli.rundir.damaged import UNREADABLE
from lth_cli.rundir.sameness import BEFORE, may_change, may_grow
from lth_cli.setup.conf import conf_dir, options

_ELSEWHERE = ("resume", "ticket")  # which are no longer what was typed


def composed(files: Files) -> Iterator[str]:
    yield from _by_hydra(files)
    yield from _by_default(files)


def _by_hydra(files: Files) -> Iterator[str]:
    """Hydra wrote what it composed when the run last went on, before anything in it was computed."""
    path = files.run.path
    if not (path / names.HYDRA_CONFIG).exists():
        return
    try:
        node = parse_config(within.read(path, names.HYDRA_CONFIG).decode())
    except UNREADABLE:
        yield NotKnown(f"{names.HYDRA_CONFIG}: it cannot be read")
        return
    resumed = files.run.record.get("resumed")
    for key, says, there in _differing(node, files.run.config):
        if resumed and (key.startswith("train.") or (key in BEFORE and there == BEFORE[key])):
            continue  # another version of lth began it so
        if not may_change(key) and not may_grow(key) and key not in _ELSEWHERE:
            yield f"{names.HYDRA_CONFIG}: {key} is {str(says)[:40]}, config.yaml has {str(there)[:40]}"


def _by_default(files: Files) -> Iterator[str]:
    """Values that nobody asked for: another version of lth, or an edited conf/, may have had another default."""
    words, record = words_of(files), files.run.record
    experiment = record.get("choices", {}).get("experiment")
    if isinstance(words, NotKnown) or any(word.lstrip("+").startswith(OWN_YAML) for word in words):
        return  # which was said
    if experiment is not None and experiment not in options().get("experiment", ()):
        return
    said, elsewhere = parse(words), leaves("experiment", experiment) if experiment is not None else {}
    for key, wants, there in _differing(_primary(), files.run.config):
        if said.touches(key) or key in elsewhere:
            continue
        wrong = f"{key}: config.yaml has {str(there)[:40]}, conf/config.yaml {str(wants)[:40]}, the command nothing"
        skips = key == "on_divergence" and record.get("diverged") and not record.get("resumed")
        yield f"{wrong}, and arms diverged" if skips else NotKnown(wrong)


def _primary() -> dict[str, Any]:
    node = yaml.safe_load((conf_dir() / "config.yaml").read_text("utf-8"))
    return {key: value for key, value in node.items() if key not in ("defaults", "hydra")}


def _differing(node: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The keys that both have with plain values that differ, and these."""
    for key, value in flat(node):
        says, there = number(value), lookup(config, key)
        plain = "${" not in str(says) and "???" not in str(says)
        if plain and not is_missing(there) and number(there) != says:
            yield key, says, there
