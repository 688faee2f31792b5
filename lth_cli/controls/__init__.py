"""Controls: what is trained beside a ticket, to know what it owes to its mask and what to its weights."""

from lth_cli.controls.masked import Invert, RandomMask, SmartRatio
from lth_cli.controls.relabelled import RandomLabels
from lth_cli.controls.weighted import Constant, Reinit, Reshuffle

__all__ = ["Constant", "Invert", "RandomLabels", "RandomMask", "Reinit", "Reshuffle", "SmartRatio"]
