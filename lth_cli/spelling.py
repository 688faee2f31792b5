"""The nearest right spelling."""

from collections.abc import Iterable


def nearest(word: str, allowed: Iterable[str]) -> str:
    """``"; did you mean conv4?"``, or nothing where no allowed word is near."""
    import difflib

    close = difflib.get_close_matches(word, list(allowed), n=1)
    return f"; did you mean {close[0]}?" if close else ""
