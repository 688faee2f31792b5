"""The only place that instantiates a config's `_target_`."""

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
        if isinstance(cause, ValueError | TypeError):
            raise ConfigError(f"{named(group, config, choices)}: {cause}") from None
        raise ConfigError(f"{named(group, config, choices)}: {type(cause).__name__}: {cause or error}") from error


def named(group: str, config: Mapping[Any, Any], choices: Mapping[str, Any]) -> str:
    """``sparsity=geometric (target=0.9)``."""
    values = ", ".join(f"{key}={value}" for key, value in config[group].items() if key != "_target_")
    return group + (f"={choices[group]}" if group in choices else "") + (f" ({values})" if values else "")
