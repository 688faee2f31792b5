"""Plain modules: ``model(shape, classes, **options) -> nn.Module`` that maps (batch, *shape) to (batch, classes)."""

from lth_cli.models.convnets import conv
from lth_cli.models.lenet import lenet5, mlp

__all__ = ["conv", "lenet5", "mlp"]
