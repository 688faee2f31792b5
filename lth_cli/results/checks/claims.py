"""What run.json says of a run, compared with the files that say it too, and with the manifest."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from lth_cli.core import masks
from lth_cli.core.arms import DENSE
from lth_cli.core.budget import plan
from lth_cli.core.counts import Counts
from lth_cli.core.layers import Layer
from lth_cli.results.checks.files import Files, NotKnown, where
from lth_cli.rundir import names
from lth_cli.rundir.claims import changed
from lth_cli.rundir.manifest import Manifest

_MOST_COUNTS = 100_000  # of a layer in a round
_MOST_OF_NAMES = 1_000_000  # characters of the layers' names, as often as there are rates that are by name


def claims(files: Files) -> Iterator[str]:
    manifest = Manifest.load(files.run.path)
    if not manifest.claims:
        yield NotKnown("what only run.json says, such as the data's hash: the manifest of this older run lacks it")
    for key in changed(files.run.record, manifest):
        yield f"run.json: {key} is not what was written"
    yield from _lacking(files)
    yield from _kinds(files)
    yield from _network(files)
    yield from _layers(files)
    yield from _keep(files)
    yield from _seeds(files)
    yield from _iterations(files)
    yield from _rewind_to(files)
    yield from _choices(files)


def _lacking(files: Files) -> Iterator[str]:
    """What cannot be compared, as this run does not say it: an older one, or one that was tampered with."""
    record, config = files.run.record, files.run.config
    of_record = ["layers", "keep", "seeds", "iterations", "test_examples", "choices"]
    of_config = ["rounds", "seed", "replicates", "train", "controls"]
    if config.get("ticket") is None:
        of_record, of_config = [*of_record, "rewind_to"], [*of_config, "pruner"]
    if lacking := [key for key in of_record if key not in record]:
        yield NotKnown(f"{', '.join(lacking)}: run.json does not say it")
    if lacking := [key for key in of_config if key not in config]:
        yield NotKnown(f"{', '.join(lacking)}: config.yaml does not say it")


def _kinds(files: Files) -> Iterator[str]:
    """Of what other checks compute with."""
    config = files.run.config
    for key, kind in (("rounds", int), ("seed", int), ("replicates", int), ("train", dict), ("controls", dict)):
        if key in config and type(config[key]) is not kind:
            word = "whole number" if kind is int else "group of keys"
            yield f"config.yaml: {key} is {str(config[key])[:40]!r}, no {word}"
    if config.get("ticket") is None and not isinstance(config.get("pruner", {}), dict):
        yield f"config.yaml: pruner is {str(config['pruner'])[:40]!r}, no group of keys"


def _network(files: Files) -> Iterator[str]:
    """By the dense networks of round 0."""
    record = files.run.record
    for key in (key for key in files.keys if key[1] == DENSE):
        mask, state = files.state(key)
        layers = {name: {"weights": m.numel()} for name, m in mask.items()}
        claimed = {name: {"weights": one["weights"]} for name, one in record.get("layers", layers).items()}
        for name, there in (
            ("parameters", sum(p.numel() for p in state.params.values())),
            ("prunable_weights", masks.total(mask)),
        ):
            if record.get(name, there) != there:
                yield f"run.json: {name} is {record[name]:,}, the state of {where(key)} has {there:,}"
        for name in sorted(layers.keys() | claimed.keys()):
            says, has = claimed.get(name), layers.get(name)
            if says != has:
                yield f"run.json: layers says {says} of {name}, the mask of {where(key)} {has}"


def _layers(files: Files) -> Iterator[str]:
    """Kinds, which rates go by: those of convolutions, and of the linear layers the last one."""
    layers = files.run.record.get("layers", {})
    mask = files.mask(files.keys[0]) if layers else {}
    for name in layers.keys() & mask.keys():
        if (kind := layers[name].get("kind")) not in (("conv",) if mask[name].dim() > 2 else ("fc", "output")):
            yield f"run.json: {name} is of kind {str(kind)[:40]}, of shape {tuple(mask[name].shape)}"
    kinds = [one.get("kind") for one in layers.values()]
    if kinds.count("output") != (1 if {"fc", "output"} & {*kinds} else 0):
        yield f"run.json: {kinds.count('output')} layers are of kind output"


def _keep(files: Files) -> Iterator[str]:
    keep = [Counts.parse(one) for one in files.run.record.get("keep", [])]
    rounds = files.run.config.get("rounds")
    if keep and type(rounds) is int and len(keep) != rounds + 1:
        yield f"run.json: keep is of {len(keep) - 1} rounds, config.yaml asks for {rounds}"
    yield from _asked(files, keep)
    for key in (key for seed in files.seeds for key in files.tickets_of(seed) if keep):
        kept = masks.layer_counts(files.mask(key))
        says = keep[key[0]] if key[0] < len(keep) else None
        if says is None or not says.match(kept):
            yield f"run.json: keep says {says} of round {key[0]}, the mask of {where(key)} keeps {sum(kept.values()):,}"


def _asked(files: Files, keep: Sequence[Counts]) -> Iterator[str]:
    """What config.yaml asks of the rounds, computed anew."""
    config, layers, pruner = files.run.config, files.run.record.get("layers"), files.run.config.get("pruner")
    if config.get("ticket") is not None or not keep or not layers or not isinstance(pruner, dict):
        return  # a ticket that was given keeps what it keeps; what else is missing was said
    schedule, pattern = files.choice("sparsity"), files.choice("pattern")
    if isinstance(schedule, NotKnown) or isinstance(pattern, NotKnown):
        yield schedule if isinstance(schedule, NotKnown) else pattern
        return
    # A short file may ask for what takes hours to compute.
    rates = pruner["rates"]
    if (
        len(keep) * len(layers) > _MOST_COUNTS
        or len(rates) * sum(map(len, layers)) > _MOST_OF_NAMES
        or not all(rate == 0 or 1e-6 < rate < 1e6 for rate in rates.values())
    ):
        yield NotKnown("keep: too many rounds, layers and rates, or rates too far apart, to compute what it must be")
        return
    mask = files.mask(files.keys[0])
    network = {name: Layer(mask[name].shape, one["kind"]) for name, one in layers.items()}
    asked = pattern.fit(plan(network, schedule, len(keep) - 1, pruner["scope"], rates), network)
    for round, (says, wants) in enumerate(zip(keep, asked, strict=True)):
        if says != wants:
            yield f"run.json: keep says {says} of round {round}, by config.yaml it is {wants}"


def _seeds(files: Files) -> Iterator[str]:
    record, config = files.run.record, files.run.config
    claimed = record.get("seeds", files.seeds)
    first, replicates = config.get("seed"), config.get("replicates", 1)
    if (
        type(first) is int
        and type(replicates) is int
        and (len(claimed), claimed) != (replicates, [first + i for i in range(len(claimed))])
    ):
        yield f"run.json: seeds is {str(claimed)[:80]}, config.yaml asks for {replicates} from {first}"
    if more := sorted(set(files.seeds) - set(claimed)):
        yield f"run.json: seeds is {str(claimed)[:80]}, history has also {str(more)[:80]}"
    there = set(files.keys)
    for one in record.get("diverged", []):
        if (key := (one["round"], one["arm"], one["seed"])) in there:
            yield f"run.json: {where(key)} diverged, but history has it"
    if record.get("diverged") and config.get("on_divergence") == "stop":
        wrong = "run.json: arms diverged, but by config.yaml the run stops where one does (on_divergence=stop)"
        # It may have begun with skip: a run may go on with another value.
        yield NotKnown(f"{wrong}; it went on since") if record.get("resumed") else wrong


def _iterations(files: Files) -> Iterator[str]:
    claimed = files.run.record.get("iterations")
    curves = files.table(names.CURVES)
    for key, row in zip(files.keys, files.run.history, strict=True):
        if key[1] != DENSE:
            continue
        last = curves[key][-1]["iteration"] if curves[key] else row["iterations"]
        if claimed is not None and not claimed == row["iterations"] == last:
            yield f"run.json: iterations is {claimed:,}, {where(key)} has {row['iterations']:,}, its curve {last:,}"
    train = files.run.config.get("train", {})
    asked = str(train.get("iterations") if isinstance(train, dict) else None)
    if claimed is not None and re.fullmatch(r"[0-9]{1,13}it", asked) and int(asked[:-2]) != claimed:
        yield f"run.json: iterations is {claimed:,}, config.yaml asks for {asked}"


def _rewind_to(files: Files) -> Iterator[str]:
    """Where the strategy tells it whatever the length of an epoch is."""
    claimed, total = (files.run.record.get(key) for key in ("rewind_to", "iterations"))
    strategy = files.choice("rewind")
    if claimed is None or total is None or files.run.config.get("ticket") is not None:
        return
    if isinstance(strategy, NotKnown):
        yield strategy
        return
    known = set[int]()
    with suppress(ValueError):  # an epoch of that length is longer than all of the training
        known = {strategy.saved_at(total, per_epoch) for per_epoch in _epochs(files, total)}
    if len(known) != 1:
        yield NotKnown("rewind_to: config.yaml has it in epochs, whose length cannot be told")
    elif known != {claimed}:
        yield f"run.json: rewind_to is {str(claimed)[:40]}, by config.yaml it is {known.pop():,}"


def _epochs(files: Files, total: int) -> Sequence[int]:
    """The iterations of an epoch, or two guesses where the length of training does not tell it."""
    train = files.run.config.get("train")
    found = re.fullmatch(r"([1-9][0-9]{0,5})ep", str(train.get("iterations"))) if isinstance(train, dict) else None
    return (total // int(found[1]),) if found and total % int(found[1]) == 0 else (1, 2)


def _choices(files: Files) -> Iterator[str]:
    claimed, controls = files.run.record.get("choices", {}).get("controls"), files.run.config.get("controls")
    if claimed is not None and isinstance(controls, dict) and claimed != ",".join(map(str, controls)):
        yield f"run.json: choices names the controls {claimed[:80]}, config.yaml {','.join(map(str, controls))[:80]}"
