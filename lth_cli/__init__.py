"""lth: an experiment runner for the Lottery Ticket Hypothesis."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lth_cli.core.ticket import Ticket

__all__ = ["Ticket", "__version__"]


def __getattr__(name: str) -> Any:
    # Lazily, so that `lth --help` and `lth compare` do not pay for torch.
    if name == "Ticket":
        from lth_cli.core.ticket import Ticket

        return Ticket
    if name == "__version__":
        from importlib.metadata import version

        return version("lth-cli")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
