"""Overrides -> the config of a job, as Hydra composes it, with the files of each choice of options read only once."""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from lth_cli.command.foreign import steered, targets

_MOST_BASES = 500  # that are held in memory, some 0.3 MB each


@dataclass(frozen=True)
class Composed:
    """The config of a job.

    Args:
        config: without the node of Hydra; the caller's own.
        hydra: the targets that the node of Hydra names, by key.
        steered: what that node says that reaches beyond the run, by key.
    """

    config: DictConfig
    hydra: dict[str, str]
    steered: dict[str, Any]


class Composer:
    """Composes the configs of jobs; to be used while Hydra is initialised with conf/.

    Args:
        name: of the primary config.
        folder: of the user's own YAML, or None.

    Attributes:
        loader: of Hydra, which knows what options there are.
    """

    def __init__(self, name: str, folder: str | None) -> None:
        search = copy.deepcopy(GlobalHydra.instance().config_loader().get_search_path())
        if folder is not None:  # at the place where Hydra puts it
            search.prepend("command-line", f"file://{Path(folder).resolve()}", SearchPathQuery("schema", None))
        self._name = name
        self.loader = ConfigLoaderImpl(search)
        self._parser = OverridesParser.create()
        self._parsed = dict[str, Override]()
        self._is_group = dict[str, bool]()
        self._bases = dict[tuple[str, ...], Composed]()

    def whole(self, overrides: list[str], mode: RunMode = RunMode.RUN) -> DictConfig:
        """The config of a job, or of a sweep itself, with the node of Hydra, by Hydra itself.

        Raises:
            HydraException, OmegaConfBaseException, …: whatever Hydra raises.
        """
        return self.loader.load_configuration(self._name, overrides, mode, from_shell=False)

    def job(self, overrides: list[str]) -> Composed:
        """The same without that node, and many times as fast where an earlier job chose the same options.

        Which files there are is decided by the choices of options, and by what is said to Hydra; the other overrides
        give values to keys. Hydra, too, applies those after all files, one by one.
        """
        for text in overrides:
            if text not in self._parsed:
                (self._parsed[text],) = self._parser.parse_overrides([text])
        values = [self._parsed[text] for text in overrides if self._gives_a_value(self._parsed[text])]
        choices = tuple(text for text in overrides if not self._gives_a_value(self._parsed[text]))
        if choices not in self._bases:
            if len(self._bases) == _MOST_BASES:
                self._bases.clear()
            self._bases[choices] = split(self.whole(list(choices)))
        base = self._bases[choices]
        config = copy.deepcopy(base.config)
        ConfigLoaderImpl._apply_overrides_to_config(values, config)
        return Composed(config, base.hydra, base.steered)

    def _gives_a_value(self, override: Override) -> bool:
        key = override.key_or_group
        if override.is_sweep_override() or override.is_hydra_override() or key == "hydra":
            return False
        if isinstance(override.value(), dict):
            return True
        if key not in self._is_group:
            self._is_group[key] = bool(self.loader.get_group_options(key, None, self._name, self._search_path()))
        return not self._is_group[key]

    def _search_path(self) -> list[str]:
        return [text for text, override in self._parsed.items() if override.key_or_group == "hydra.searchpath"]


def split(whole: DictConfig) -> Composed:
    """A config without the node of Hydra, and what that node names; `whole` stays as it is."""
    config = copy.deepcopy(whole)
    with open_dict(config):
        del config["hydra"]
    return Composed(config, targets(OmegaConf.to_container(whole.hydra), "hydra"), steered(whole.hydra))


def without(config: DictConfig, *keys: str) -> DictConfig:
    """A config without some of its keys."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key not in keys])
