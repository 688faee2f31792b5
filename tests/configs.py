"""Configs composed and run in this process."""

from functools import cache
from pathlib import Path

import hydra
from omegaconf import DictConfig
from rich.console import Console

from lth_cli.command.compose import Composer
from lth_cli.command.run import run
from lth_cli.rundir.read import Run, read
from lth_cli.setup.conf import conf_dir
from tests.command import as_before

OPTIONS = [
    (folder.name, file.stem)
    for folder in sorted(conf_dir().iterdir())
    if folder.is_dir() and folder.name != "hydra"
    for file in sorted(folder.glob("*.yaml"))
]


def choice(group: str, option: str) -> str:
    """An option of conf/ as it is typed."""
    return {"experiment": f"+experiment={option}", "controls": f"controls=[{option}]"}.get(group, f"{group}={option}")


@cache
def composer() -> Composer:
    """That of lth itself, which reads the files of each choice of options once; a test holds it to Hydra."""
    return Composer("config", None)


def compose(*changes: str) -> DictConfig:
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return composer().job(list(changes)).config


def run_here(config: DictConfig, path: Path) -> Run:
    """Run in this process, which is left as it was, and read it back."""
    with as_before():
        run(config, path, {"choices": {}}, Console(quiet=True), place=None, live=False)
    return read(path)
