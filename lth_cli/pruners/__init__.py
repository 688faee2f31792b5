"""Pruning criteria, one file each: ``(params, mask) -> scores``; larger is kept. `select` then keeps exactly k."""

from lth_cli.pruners.magnitude import magnitude

__all__ = ["magnitude"]
