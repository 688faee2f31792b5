"""Where a config comes from, as run.json has it: its command, and the options that were chosen of each config group."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

import yaml

from lth_cli.results.checks.files import Files, NotKnown
from lth_cli.results.overrides import Said, disagree, is_missing, lookup, parse
from lth_cli.rundir import names, within
from lth_cli.rundir.command import take_apart
from lth_cli.rundir.config import flat, parse_yaml
from lth_cli.rundir.damaged import UNREADABLE
from lth_cli.rundir.sameness import may_change, may_grow
from lth_cli.setup.conf import conf_dir, options, own_targets

OWN_YAML = ("--config-dir", "--config-name", "hydra.searchpath")


def command(files: Files) -> Iterator[str]:
    """What the command says plainly, by config.yaml and by the choices; and what Hydra recorded of it."""
    choices = files.run.record.get("choices", {})
    words = words_of(files)
    if isinstance(words, NotKnown):
        yield words
    else:
        for said, there in disagree(parse(words), files.run.config, choices):
            yield f"run.json: the command says {said[:80]}, {there[:80]}"
    hydras = _hydras(files)
    if isinstance(hydras, NotKnown):
        yield hydras
        return
    for said, there in disagree(parse(hydras), files.run.config, choices):
        key = said.partition("=")[0]
        if not may_change(key) and not may_grow(key):  # Hydra wrote what was typed when the run last went on, or tried
            yield f"{names.HYDRA_RUN}: it says {said[:80]}, {there[:80]}"


def choices(files: Files) -> Iterator[str]:
    """That config.yaml has the values of each option that was chosen, but for those that the command gives."""
    chosen: dict[str, str] = files.run.record.get("choices", {})
    yield from _by_hydra(files, chosen)
    words = words_of(files)
    if isinstance(words, NotKnown):
        yield words
        return
    if missing := [group for group in options() if group not in (*chosen, "experiment")]:
        yield NotKnown(f"choices: run.json does not name that of {', '.join(missing)}")
    picked = {(group, name) for group, text in chosen.items() for name in _listed(group, text)}
    foreign = sorted(f"{group}={name}" for group, name in picked if name not in options().get(group, ()))
    if typed := [word for word in words if word.lstrip("+").startswith(OWN_YAML)]:
        foreign += typed
    # What is added to controls has no file.
    if foreign := [text for text in foreign if not text.startswith("controls=")]:
        yield NotKnown(f"choices: {', '.join(foreign)[:80]}: YAML that is not lth's own")
        return
    said = parse(words)
    ours = sorted((group, option) for group, option in picked if option in options().get(group, ()))  # only these exist
    for group, option in ours:
        if group != "experiment":
            others = [leaves(*other) for other in ours if other != (group, option)]
            yield from _chosen(files.run.config, group, option, said, {key for one in others for key in one})


def _by_hydra(files: Files, chosen: Mapping[str, str]) -> Iterator[str]:
    """Those that Hydra recorded when the run last went on, or tried; it does not name the options of a list."""
    path = files.run.path
    if not (path / names.HYDRA_ITSELF).exists():
        return
    try:
        found = parse_yaml(within.read(path, names.HYDRA_ITSELF).decode())["hydra"]["runtime"]["choices"]
        theirs = {str(group): option for group, option in found.items()}
    except UNREADABLE:
        yield NotKnown(f"{names.HYDRA_ITSELF}: it cannot be read")
        return
    for group in theirs.keys() & chosen.keys() - {"controls"}:
        if theirs[group] != chosen[group] and not may_grow(group):
            says = f"{group}={str(theirs[group])[:40]}, choices of run.json has {chosen[group][:40]}"
            yield f"{names.HYDRA_ITSELF}: it chose {says}"


def _chosen(config: Mapping[str, Any], group: str, option: str, said: Said, elsewhere: set[str]) -> Iterator[str]:
    """What config.yaml has otherwise than the file of an option.

    It is wrong where that is another option of ours, or another class of ours. A value alone may be that of another
    version of lth, or of an edited conf/.
    """
    differ = _differ(config, group, option, said, elsewhere)
    if not differ:
        return
    others = [name for name in options()[group] if name != option and group != "controls"]
    if same := [name for name in others if not _differ(config, group, name, said, elsewhere)]:
        yield f"run.json: choices has {group}={option}, config.yaml is as of {group}={same[0]}"
        return
    for key, (there, wants) in differ.items():
        if key.endswith("_target_") and there in own_targets(group):
            yield f"run.json: choices has {group}={option}, which is {wants}, config.yaml has {there}"
        else:
            yield NotKnown(f"{key}: config.yaml has {str(there)[:40]}, conf/{group}/{option}.yaml {str(wants)[:40]}")


def _differ(
    config: Mapping[str, Any], group: str, option: str, said: Said, elsewhere: set[str]
) -> dict[str, tuple[Any, Any]]:
    """By key, what config.yaml has and what an option has; none where nothing of it is of ours."""
    given = leaves(group, option)
    if any(key.endswith("_target_") and said.touches(key) for key in given):
        return {}
    found = {}
    for key, wants in given.items():
        there = lookup(config, key)
        ours = not said.touches(key) and key not in elsewhere and "${" not in str(wants)
        if ours and not is_missing(there) and there != wants:
            found[key] = (there, wants)
    return found


@cache
def leaves(group: str, option: str) -> dict[str, Any]:
    """The values that a file of conf/ gives, with those of the files that it begins with, by their keys in a config.

    Only for what `options` lists: any other name may lead out of conf/.
    """
    if option not in options()[group]:
        raise ValueError(f"conf/{group} has no {option[:40]!r}")
    text = (conf_dir() / group / f"{option}.yaml").read_text("utf-8")
    node = yaml.safe_load(text) or {}
    found = dict[str, Any]()
    for first in node.pop("defaults", []):
        if isinstance(first, str) and first != "_self_":
            found |= leaves(group, first)
    prefix = "" if "@package _global_" in text else f"{group}."
    return found | {key: number(value) for key, value in flat(node, prefix)}


def number(value: Any) -> Any:
    """As OmegaConf has it, which takes 5e-4 for a number, where YAML 1.1 does not."""
    with suppress(ValueError):
        return float(value) if isinstance(value, str) else value
    return value


def _listed(group: str, text: str) -> list[str]:
    return [name for name in text.split(",") if name] if group == "controls" else [text]


def words_of(files: Files) -> list[str] | NotKnown:
    """The overrides and options of the command."""
    try:
        words = take_apart(files.run.record.get("command"))
    except ValueError:
        return NotKnown("the command: run.json has none that can be read")
    return words[2:] if words[:2] == ["lth", "run"] else NotKnown("the command: run.json has none of lth run")


def _hydras(files: Files) -> list[str] | NotKnown:
    """The overrides as Hydra recorded them; none where it did not."""
    path = files.run.path
    if not (path / names.HYDRA_RUN).exists():
        return []
    try:
        found = parse_yaml(within.read(path, names.HYDRA_RUN).decode())
    except UNREADABLE:
        found = None
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        return NotKnown(f"{names.HYDRA_RUN}: it cannot be read")
    return found
