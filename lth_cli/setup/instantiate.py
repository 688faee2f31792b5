"""The only place that instantiates a config's `_target_`."""

import re
from collections.abc import Mapping
from typing import Any

import hydra.utils
from hydra.errors import InstantiationException
from omegaconf.errors import OmegaConfBaseException

from lth_cli.core.spelling import gist
from lth_cli.datasets.dataset import DataNotFound
from lth_cli.setup.schema import ConfigError


def instantiate(group: str, config: Mapping[Any, Any], choices: Mapping[str, Any], kind: Any, **arguments: Any) -> Any:
    """Build a group's `_target_`, a `kind`; what its constructor complains about is the user's to mend."""
    try:
        made = hydra.utils.instantiate(config[group], **arguments, _convert_="all")
        if not isinstance(made, kind):
            raise ConfigError(f"{named(group, config, choices)}: _target_ makes a {type(made).__name__}, no {group}")
        return made
    except OmegaConfBaseException as error:
        raise ConfigError(f"{named(group, config, choices)}: {gist(str(error))}") from None
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, DataNotFound):
            raise ConfigError(str(cause)) from None
        if isinstance(cause, ImportError) and (why := cause.__cause__) is not None:
            raise ConfigError(f"{named(group, config, choices)}: {_not_found(str(cause), why)}") from why
        if "overflow" in str(cause).lower():  # of PyTorch, for a size that no memory has, with the stack of its C++
            raise ConfigError(f"{named(group, config, choices)}: too large: {gist(str(cause))}") from None
        if isinstance(cause, ValueError | TypeError):
            raise ConfigError(f"{named(group, config, choices)}: {cause}") from None
        raise ConfigError(f"{named(group, config, choices)}: {type(cause).__name__}: {cause or error}") from error


def _not_found(text: str, error: BaseException) -> str:
    """Why a target, which only Hydra's text names, cannot be imported, and where the user's own is looked for."""
    target = "".join(re.findall("Error loading '(.*)'", text))
    if not isinstance(error, ModuleNotFoundError):
        return f"{target}: {type(error).__name__}: {error}"
    places = "PYTHONPATH, beside the config folder of --config-dir, and in it"
    hint = "" if "." in str(error.name) else f"\n     modules of your own are looked for in {places}"
    return f"{target}: {error}{hint}"


def named(group: str, config: Mapping[Any, Any], choices: Mapping[str, Any]) -> str:
    """``sparsity=geometric (target=0.9)``."""
    values = ", ".join(f"{key}={value}" for key, value in config[group].items() if key != "_target_")
    return group + (f"={choices[group]}" if group in choices else "") + (f" ({values})" if values else "")
