"""The user's own code, which a config names: where Python finds it, and what it was when a run was made of it."""

import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from lth_cli.command.foreign import foreign, resolved_targets

_INSTALLED = frozenset({"site-packages", "dist-packages"})


def make_importable(config: DictConfig, config_dir: str | None) -> None:
    """Have Python look for modules beside a folder of the user's own YAML, and in it, after everywhere else.

    So they stand in for nothing that is installed; but for what is not, whoever may want it: under ``safe=true``, which
    imports nothing of theirs, they are not looked for.
    """
    if config_dir is None or config.safe:
        return
    folder = Path(config_dir).resolve()
    sys.path += [path for path in map(str, (folder.parent, folder)) if path not in sys.path]


def hashes(config: DictConfig) -> dict[str, str]:
    """SHA-256 by name of each imported module that is neither Python's, nor installed, nor lth's.

    None where the config names nothing of the user's own.
    """
    if not foreign(resolved_targets(config), safe=False):
        return {}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in sorted(_own())}


def _own() -> Iterator[tuple[str, Path]]:
    of_python = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")]
    for name, module in list(sys.modules.items()):
        file = Path(getattr(module, "__file__", None) or "")
        if name.partition(".")[0] in ("lth_cli", "__main__", "__mp_main__") or not _INSTALLED.isdisjoint(file.parts):
            continue
        if file.is_absolute() and file.is_file() and not any(file.is_relative_to(folder) for folder in of_python):
            yield name, file
