"""`lth list`: what each config group offers, from the first comment of each YAML."""

from pathlib import Path

from lth_cli.core.files import read
from lth_cli.core.spelling import brief, clean, nearest
from lth_cli.report.groups import GROUPS
from lth_cli.setup.conf import conf_dir

__all__ = ["GROUPS", "description", "listing"]

_MOST = 2**20  # bytes of a file of YAML
_WRITTEN = {"experiment": "+experiment={}", "controls": "controls=[{}]"}  # others: group=option


def listing(kind: str | None, config_dir: str | None) -> str:
    """One line per option: its name and its one-sentence description.

    Args:
        kind: models, datasets, …; None for all.
        config_dir: a folder of the user's own YAML, or None.

    Raises:
        ValueError: no such kind, or no such folder.
    """
    if kind is not None and kind not in GROUPS:
        raise ValueError(f"list {kind}: there are {', '.join(GROUPS)}{nearest(kind, GROUPS)}")
    if config_dir is not None and not Path(config_dir).is_dir():
        raise ValueError(f"--config-dir={config_dir}: there is no such folder")
    folders = [conf_dir()] + ([Path(config_dir)] if config_dir is not None else [])
    blocks = []
    for plural, group in GROUPS.items():
        if kind in (None, plural):
            files = sorted(file for folder in folders for file in (folder / group).glob("*.yaml"))
            written = _WRITTEN.get(group, f"{group}={{}}")
            options = [(written.format(clean(file.stem)), description(file)) for file in files]
            width = max((len(option) for option, _ in options), default=0)
            blocks.append("".join(f"{option:{width}}  {words}\n" for option, words in options))
    return "\n".join(blocks)


def description(file: Path) -> str:
    """The first comment of a YAML file that is not a directive of Hydra."""
    for line in read(file, _MOST).decode(errors="replace").splitlines():
        if line.startswith("#") and not line.startswith("# @"):
            return brief(line.lstrip("# ").strip())
    return ""
