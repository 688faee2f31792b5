"""The controls that a config chooses, each draw of them an arm."""

from collections.abc import Mapping

from omegaconf import DictConfig, OmegaConf

from lth_cli.controls.control import LABELS, Control, Draw, needs
from lth_cli.core.arms import OWN, drawn
from lth_cli.datasets.dataset import Dataset
from lth_cli.datasets.streaming import Streamed
from lth_cli.rundir import names
from lth_cli.setup.instantiate import instantiate
from lth_cli.setup.schema import ConfigError


def chosen_controls(config: DictConfig) -> dict[str, Control]:
    """By arm; raises ConfigError, naming the control."""
    controls = {str(name): _control(str(name), node) for name, node in config.controls.items()}
    arms = drawn(config.controls)
    if len(arms) < sum(len(drawn({name: node})) for name, node in config.controls.items()):
        raise ConfigError(f"controls={list(controls)}: a draw of one has the name of another")
    return {arm: Draw(controls[name], draw) if draw else controls[name] for arm, (name, draw) in arms.items()}


def check_needs(controls: Mapping[str, Control], lacks: Mapping[str, str], data: Dataset) -> None:
    """Refuse a control that needs what there is not; raises ConfigError.

    Args:
        lacks: what a way to find tickets has not, each with the reason.
    """
    if isinstance(data.train, Streamed):
        lacks = {**lacks, LABELS: "needs a data set in memory, this one is streamed"}
    for name, control in controls.items():
        for need in needs(control):
            if need in lacks:
                raise ConfigError(f"controls={name}: {lacks[need]}")


def _control(name: str, node: object) -> Control:
    if not names.is_arm(name) or name in OWN:
        raise ConfigError(f"controls.{name}: a name of letters, digits, _ and - that is not {', '.join(OWN)}")
    if not isinstance(node, DictConfig) or not OmegaConf.is_dict(node):
        raise ConfigError(
            f"controls.{name}={node}: controls are chosen by name, as in controls=[random_mask]\n"
            "     a YAML of one has its name as key"
        )
    own = {str(key): value for key, value in node.items() if key != "draws"}
    made: Control = instantiate(f"controls.{name}", {f"controls.{name}": own}, {}, Control)
    return made
