"""Hydra's own entry point: handed a checked command line, asked for what it only shows, or for completions."""

import contextlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hydra
from hydra._internal.core_plugins import basic_sweeper
from hydra._internal.utils import get_args_parser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli.command import overrides
from lth_cli.command.completion import of_a_list, proposals, split
from lth_cli.command.explain import first_line
from lth_cli.command.job import task
from lth_cli.core.files import write
from lth_cli.core.signals import Signals
from lth_cli.core.spelling import say
from lth_cli.setup.conf import conf_dir
from lth_cli.setup.schema import ConfigError

OF_HYDRA = (HydraException, OmegaConfBaseException, OSError)
"""Errors that `explain` has words for."""

# A word that a shell takes for itself: where a completion is taken apart again, a file's name could be a command.
_IS_PLAIN = re.compile(r"[\w@%+=:,./\[\]~-]+")


def hand_to_hydra(words: list[str], call: Callable[[DictConfig], None]) -> None:
    """Let Hydra take up a command line, and call what makes each job of it."""
    sys.argv = ["lth run", *words]
    basic_sweeper.OmegaConf = _Written  # type: ignore[attr-defined, assignment]
    with Signals().in_order():
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(call)()


class _Written:
    """What Hydra's sweeper writes of a sweep, as `multirun.yaml`: it would follow a link in its place."""

    @staticmethod
    def save(config: DictConfig, file: Path) -> None:
        write(file, OmegaConf.to_yaml(config).encode(), file.parent)


def complete() -> int:
    """Completion of `lth run …`, which must never print an error."""
    with contextlib.suppress(Exception, SystemExit), contextlib.redirect_stderr(None):
        (_, *before), word = split(os.environ["COMP_LINE"])
        parser = get_args_parser()
        found = proposals(parser, before, word)
        if not found and not word.startswith("-"):
            typed = parser.parse_args(before)
            # Hydra splits at blanks, and for some keys of its own it would import what they name.
            plain = [text for text in overrides.rewrite(typed.overrides) if not re.search(r"\s|^[+~]*hydra\b", text)]
            own = [f"--config-dir={typed.config_dir}"] if typed.config_dir is not None else []
            found = of_a_list(word, lambda one: _ask_hydra([*plain, one], own))
        say("\n".join(filter(_IS_PLAIN.fullmatch, found)))
    return 0


def _ask_hydra(words: list[str], flags: list[str]) -> list[str]:
    """What may stand in place of the last word; Hydra knows of no subcommands."""
    os.environ["COMP_LINE"] = " ".join(["lth", *words])
    with contextlib.redirect_stdout(io.StringIO()) as text:
        hand_to_hydra(["-sc", "query=fish", *flags], task(False, []))
    return text.getvalue().split()


@contextlib.contextmanager
def _clean() -> Iterator[None]:
    """Print what Hydra prints within, cleaned; also where it ends the process, as after its help."""
    stream = io.StringIO()
    try:
        with contextlib.redirect_stdout(stream):
            yield
    finally:
        if text := stream.getvalue():
            say(text.removesuffix("\n").expandtabs())


def show(words: list[str]) -> None:
    """What Hydra only shows: help, a config, or how it was composed."""
    try:
        with _clean():
            hand_to_hydra(words, task(False, []))
    except OF_HYDRA:
        raise
    except Exception as error:  # such as a --package that is none
        raise ConfigError(f"{' '.join(words)}: {first_line(error)}") from error
