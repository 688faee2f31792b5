"""The check that accuracies are whole numbers of the images that there are."""

from collections.abc import Iterator, Mapping

from lth_cli.results.checks.files import Files, where
from lth_cli.rundir import names
from lth_cli.setup.conf import own_targets

_TEST = {"mnist": 10_000, "fashion_mnist": 10_000, "cifar10": 10_000}  # images of test, where no key says it
_SPLITS = ("test", "val")


def counted(files: Files) -> Iterator[str]:
    """By run.json, and by config.yaml where the data set is lth's own."""
    claimed, asked = files.run.record.get("test_examples"), _asked(files)
    if claimed is not None and asked.get("test", claimed) != claimed:
        yield f"run.json: test_examples is {claimed:,}, the data set of config.yaml has {asked['test']:,}"
    images = {**asked, **({} if claimed is None else {"test": claimed})}
    curves = files.table(names.CURVES)
    for key, row in zip(files.keys, files.run.history, strict=True):
        for split, number in images.items():
            source = "run.json: test_examples is" if split == "test" else "config.yaml: val_size is"
            found = [row[f"{split}_accuracy"], *(point[f"{split}_accuracy"] for point in curves.get(key, ()))]
            early = [row["early_stop_test_accuracy"]] if split == "test" else []
            if wrong := [accuracy for accuracy in (*found, *early) if not _is_whole(accuracy * number)]:
                yield f"{source} {number:,}, of which {where(key)} cannot have {wrong[0]}"


def _is_whole(right: float) -> bool:
    return abs(right - round(right)) <= 0.01


def _asked(files: Files) -> dict[str, int]:
    """How many images each split has, as far as config.yaml tells."""
    dataset = files.run.config.get("dataset")
    target = dataset.get("_target_") if isinstance(dataset, Mapping) else None
    if not isinstance(dataset, Mapping) or target not in own_targets("dataset"):
        return {}
    known = {split: dataset.get(f"{split}_size") for split in _SPLITS}
    if known["test"] is None:
        known["test"] = _TEST.get(str(target).rpartition(".")[2])
    return {split: number for split, number in known.items() if type(number) is int and number > 0}
