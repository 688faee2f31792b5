"""The check of what optimizers remember, where tickets restart with it."""

from collections.abc import Iterator, Mapping

from lth_cli.core.arms import DENSE, OWN
from lth_cli.pruners.learner import Learner
from lth_cli.results.checks.files import Files, NotKnown
from lth_cli.rundir import names
from lth_cli.rundir.sameness import BEFORE
from lth_cli.training.moments import wrong


def moments(files: Files) -> Iterator[str]:
    """Of the states that they restart from; that a choice is not lth's own, others say."""
    config, criterion = files.run.config, files.choice("pruner", "score")
    rewind, train = config.get("rewind"), config.get("train")
    if config.get("ticket") is not None or not isinstance(rewind, Mapping) or not isinstance(train, Mapping):
        return
    if isinstance(criterion, Learner) or rewind.get("optimizer", BEFORE["rewind.optimizer"]) != "restored":
        return
    strategy = files.choice("rewind")
    which = None if isinstance(strategy, NotKnown) else strategy.moments
    if which == "saved" and not files.run.record.get("rewind_to"):
        return  # where the optimizer remembers nothing yet
    for key in files.keys:
        if key[1] in OWN if which == "trained" else which == "saved" and key[1] == DENSE:
            state = files.state(key)[1] if which == "trained" else files.rewind(key[2])
            if text := wrong(state.moments, state.params, str(train.get("optimizer")), float(train.get("momentum", 0))):
                yield f"{names.state(key) if which == 'trained' else names.rewind(key[2])}: {text}"
