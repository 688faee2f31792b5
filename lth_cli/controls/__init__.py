"""Controls: what is trained beside a ticket, to know what it owes to its mask and what to its weights."""

from lth_cli.controls.masked import Invert, RandomMask, SmartRatio
from lth_cli.controls.weighted import Constant, Reinit, Reshuffle

__all__ = ["Constant", "Invert", "RandomMask", "Reinit", "Reshuffle", "SmartRatio"]
