"""Lengths of training with their unit: ``"500it"`` (iterations) or ``"20ep"`` (epochs)."""

import re

_LONGEST = 10**12  # beyond which nothing trains, and floating point no longer counts
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)(it|ep)")


def check(text: str) -> None:
    """Raise ValueError unless `text` is a number followed by it or ep; iterations are whole."""
    match = _PATTERN.fullmatch(text)
    if match is None or (match[2] == "it" and "." in match[1]):
        raise ValueError('a length like "500it" (iterations) or "20ep" (epochs)')
    if float(match[1]) > _LONGEST:
        raise ValueError(f"a length of at most {_LONGEST:,}")


def iterations(text: str, per_epoch: int) -> int:
    """The length in iterations, rounded to a whole one where an epoch is split (``"0.5ep"``)."""
    check(text)
    number, unit = text[:-2], text[-2:]
    return int(number) if unit == "it" else round(float(number) * per_epoch)
