"""Every name below a run directory, from what it stands for and back. Names are relative to it."""

import re

RECORD, CONFIG, MANIFEST = "run.json", "config.yaml", "manifest.json"
SWEEP = "sweep.json"  # of a sweep, beside its runs
HYDRA = ".hydra"  # the folder of what Hydra writes of a run
HYDRA_SWEEP, HYDRA_RUN, HYDRA_CONFIG = "multirun.yaml", f"{HYDRA}/overrides.yaml", f"{HYDRA}/config.yaml"
HYDRA_ITSELF = f"{HYDRA}/hydra.yaml"  # what Hydra was told, and which options it took
HISTORY, LAYERS, CURVES = "history.csv", "layers.csv", "curves.csv"
ROUNDS, TICKETS, PARTIAL, PICTURES = "rounds", "tickets", "partial", "pictures"  # folders

Key = tuple[int, str, int]
"""Round, arm, seed: what one trained network is known by."""

PICTURED = ("accuracy", "early_stop")  # the pictures that a run draws of itself

_REWIND = "rewind"  # beside the dense networks of round 0, as if it were an arm
_STATE = re.compile(rf"{ROUNDS}/([0-9]{{2,4}})/([\w-]+)_seed([0-9]{{1,19}})\.safetensors")
_TICKET = re.compile(rf"{TICKETS}/seed([0-9]{{1,19}})\.safetensors")
_PARTIAL = re.compile(rf"{PARTIAL}/([0-9]{{2,4}})_([\w-]+)_seed([0-9]{{1,19}})(?:_and_([0-9]{{1,9}}))?\.safetensors")
_ARM = re.compile(r"[\w-]{1,200}")  # the name of a file has at most 255 bytes


def round_folder(round: int) -> str:
    """The folder of a round's states."""
    return f"{ROUNDS}/{round:02d}"


def state(key: Key) -> str:
    """The file of a trained network: its mask and its values."""
    round, arm, seed = key
    return f"{round_folder(round)}/{arm}_seed{seed}.safetensors"


def rewind(seed: int) -> str:
    """The file of the values at a seed's rewind point."""
    return state((0, _REWIND, seed))


def ticket(seed: int) -> str:
    """The file of a seed's final ticket."""
    return f"{TICKETS}/seed{seed}.safetensors"


def partial(key: Key, others: int) -> str:
    """The file of a training under way, of a network and `others` that train with it."""
    round, arm, seed = key
    return f"{PARTIAL}/{round:02d}_{arm}_seed{seed}{f'_and_{others}' if others else ''}.safetensors"


def picture(kind: str) -> str:
    """The file of a picture of the run alone; no manifest lists it, as it is drawn anew from what is listed."""
    return f"{PICTURES}/{kind}.svg"


def key_of(name: str) -> Key | None:
    """Whose state a file is, or None; a rewind point counts as an arm of round 0."""
    found = _STATE.fullmatch(name)
    key = (int(found[1]), found[2], int(found[3])) if found is not None else None
    return key if key is not None and state(key) == name else None


def is_rewind(name: str) -> bool:
    """Whether a file is of a seed's rewind point."""
    found = key_of(name)
    return found is not None and name == rewind(found[2])


def ticket_seed(name: str) -> int | None:
    """Whose ticket a file is, or None."""
    found = _TICKET.fullmatch(name)
    return int(found[1]) if found is not None and ticket(int(found[1])) == name else None


def is_listed(name: str) -> bool:
    """Whether a manifest may list a file of this name: none that leads out of a run."""
    return name == CONFIG or key_of(name) is not None or ticket_seed(name) is not None


def partial_of(name: str) -> tuple[Key, int] | None:
    """Of which network the file of a training under way is, and how many others train with it; or None."""
    found = _PARTIAL.fullmatch(name)
    return None if found is None else ((int(found[1]), found[2], int(found[3])), int(found[4] or 0))


def is_partial(name: str) -> bool:
    """Whether it is the file of a training under way."""
    return _PARTIAL.fullmatch(name) is not None


def is_picture(name: str) -> bool:
    """Whether it is the file of a picture that a run draws of itself."""
    return name in map(picture, PICTURED)


def is_written(name: str) -> bool:
    """Whether a run writes a file of this name, beside what Hydra does."""
    kinds = (is_listed, is_partial, is_picture)
    return name in (RECORD, MANIFEST, HISTORY, LAYERS, CURVES) or any(is_kind(name) for is_kind in kinds)


def is_arm(text: str) -> bool:
    """Whether it can be part of a name."""
    return _ARM.fullmatch(text) is not None
