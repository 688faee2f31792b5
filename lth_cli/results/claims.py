"""What run.json says of a run, compared with the files that say it too, and with the manifest."""

from collections.abc import Iterator

from lth_cli.core import masks
from lth_cli.core.arms import DENSE
from lth_cli.core.counts import Counts
from lth_cli.results.files import Files, NotKnown, where
from lth_cli.rundir import names
from lth_cli.rundir.claims import changed
from lth_cli.rundir.manifest import Manifest


def claims(files: Files) -> Iterator[str]:
    manifest = Manifest.load(files.run.path)
    if not manifest.claims:
        yield NotKnown("what only run.json says, such as the data's hash: the manifest of this older run lacks it")
    for key in changed(files.run.record, manifest):
        yield f"run.json: {key} is not what was written"
    yield from _network(files)
    yield from _keep(files)
    yield from _seeds(files)
    yield from _iterations(files)


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


def _keep(files: Files) -> Iterator[str]:
    keep = [Counts.parse(one) for one in files.run.record.get("keep", [])]
    rounds = files.run.config.get("rounds")
    if keep and isinstance(rounds, int) and len(keep) != rounds + 1:
        yield f"run.json: keep is of {len(keep) - 1} rounds, config.yaml asks for {rounds}"
    for key in (key for seed in files.seeds for key in files.tickets_of(seed) if keep):
        kept = masks.layer_counts(files.mask(key))
        says = keep[key[0]] if key[0] < len(keep) else None
        if says is None or not says.match(kept):
            yield f"run.json: keep says {says} of round {key[0]}, the mask of {where(key)} keeps {sum(kept.values()):,}"


def _seeds(files: Files) -> Iterator[str]:
    record, config = files.run.record, files.run.config
    claimed = record.get("seeds", files.seeds)
    first, replicates = config.get("seed"), config.get("replicates", 1)
    if isinstance(first, int) and (len(claimed), claimed) != (replicates, [first + i for i in range(len(claimed))]):
        yield f"run.json: seeds is {str(claimed)[:80]}, config.yaml asks for {replicates} from {first}"
    if more := sorted(set(files.seeds) - set(claimed)):
        yield f"run.json: seeds is {str(claimed)[:80]}, history has also {str(more)[:80]}"
    there = set(files.keys)
    for one in record.get("diverged", []):
        if (key := (one["round"], one["arm"], one["seed"])) in there:
            yield f"run.json: {where(key)} diverged, but history has it"


def _iterations(files: Files) -> Iterator[str]:
    claimed = files.run.record.get("iterations")
    curves = files.table(names.CURVES)
    for key, row in zip(files.keys, files.run.history, strict=True):
        if key[1] != DENSE:
            continue
        last = curves[key][-1]["iteration"] if curves[key] else row["iterations"]
        if claimed is not None and not claimed == row["iterations"] == last:
            yield f"run.json: iterations is {claimed:,}, {where(key)} has {row['iterations']:,}, its curve {last:,}"
