"""Pruning criteria, one file each: ``(params, mask) -> scores``; larger is kept. Selecting exactly k is not their job."""

from lth_cli.pruners.magnitude import magnitude

__all__ = ["magnitude"]
