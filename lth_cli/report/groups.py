"""What `lth list` calls the config groups: what is listed -> the group."""

GROUPS = {
    "models": "model",
    "datasets": "dataset",
    "pruners": "pruner",
    "patterns": "pattern",
    "rewinds": "rewind",
    "sparsities": "sparsity",
    "controls": "controls",
    "trains": "train",
    "experiments": "experiment",
}
