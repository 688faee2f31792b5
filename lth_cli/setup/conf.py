"""Where the YAML is, and which targets lth's own YAML names; without Hydra."""

import re
from functools import cache
from pathlib import Path


def conf_dir() -> Path:
    """Where the YAML is: the checkout's conf/ for an editable install, else the copy inside the package."""
    package = Path(__file__).resolve().parent.parent
    # An editable install leaves a copy in site-packages that goes stale, but `package` is then the checkout's.
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf/config.yaml in {package} or beside it; reinstall lth-cli")


@cache
def options() -> dict[str, list[str]]:
    """The options of each config group that conf/ has, by group."""
    groups = (folder for folder in sorted(conf_dir().iterdir()) if folder.is_dir() and folder.name != "hydra")
    return {folder.name: sorted(file.stem for file in folder.glob("*.yaml")) for folder in groups}


@cache
def own_targets(group: str = "") -> frozenset[str]:
    """The targets that conf/ names, or those of a group."""
    texts = (file.read_text("utf-8") for file in (conf_dir() / group).rglob("*.yaml"))
    return frozenset(target for text in texts for target in re.findall(r"(?:_target_|class): *([\w.]+)", text))
