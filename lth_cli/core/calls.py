"""What torch is asked for, seen on the way there."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.overrides import TorchFunctionMode


class Calls(TorchFunctionMode):
    """While active, `call` stands in for each function of torch; inheritance is what torch demands here."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        return self.call(function, arguments, named or {})

    @abstractmethod
    def call(self, function: Callable[..., Any], arguments: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """What `function` gives for these arguments."""
