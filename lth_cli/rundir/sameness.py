"""What makes two configs the same experiment: the keys that may differ, what each is, and the questions asked of it."""

from enum import Enum, auto
from functools import lru_cache


class Role(Enum):
    """What a key says, where it is not what is computed."""

    REPLICATE = auto()  # which replicates of the experiment
    MANNER = auto()  # where and how to work
    PLACE = auto()  # where the data lies; the data itself is compared by its hash
    LENGTH = auto()  # how far it goes


ROLES = {
    "seed": Role.REPLICATE,
    "replicates": Role.REPLICATE,
    "device": Role.MANNER,
    "output": Role.MANNER,
    "safe": Role.MANNER,
    "on_divergence": Role.MANNER,
    "executor": Role.MANNER,
    "checkpoint_every": Role.MANNER,
    "profile": Role.MANNER,
    "dataset.root": Role.PLACE,
    "dataset.download": Role.PLACE,
    "dataset.debian": Role.PLACE,
    "rounds": Role.LENGTH,
    "sparsity": Role.LENGTH,
}
"""By key; that of a group holds for all that is in it."""

_DRAWN = (
    *("random_reinit", "random_mask", "shuffle", "smart_ratio", "reshuffle", "constant"),
    *("same_sign_reinit", "same_sign_reshuffle", "same_sign_constant"),
)
BEFORE = {
    "order": "per_round",
    "dense_retrained": False,
    "rewind.optimizer": "fresh",
    "rewind.fraction": 0,
    "rewind.lr": None,
    **{f"controls.{name}.draws": 1 for name in _DRAWN},
}
"""What an older version did that had no such key."""


@lru_cache(maxsize=4096)
def same_experiment(key: str) -> bool:
    """Whether runs of one experiment may differ in a key, as `lth compare` groups them."""
    return _role(key) in (Role.REPLICATE, Role.MANNER)


def may_change(key: str) -> bool:
    """Whether a run may go on with another value of a key."""
    return _role(key) in (Role.MANNER, Role.PLACE)


def may_grow(key: str) -> bool:
    """Whether a run may go on with another value, as long as the rounds that are done stay what they are."""
    return _role(key) == Role.LENGTH


def _role(key: str) -> Role | None:
    return ROLES.get(key, ROLES.get(key.partition(".")[0]))
