"""Words for messages: the nearest right spelling, and no more text than one can read."""

from collections.abc import Iterable


def nearest(word: str, allowed: Iterable[str]) -> str:
    """``"; did you mean conv4?"``, or nothing where no allowed word is near."""
    import difflib

    close = difflib.get_close_matches(word, list(allowed), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def brief(text: str, lines: int = 6, width: int = 240) -> str:
    """A message cut to a few lines of a readable length, without control characters."""
    kept = ["".join(c if c.isprintable() else "�" for c in line) for line in text.split("\n")[:lines]]
    return "\n".join(line if len(line) <= width else f"{line[: width - 1]}…" for line in kept)


def gist(text: str) -> str:
    """The first line of a message, with those after it as long as one only announces the next."""
    said = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        said = f"{said} {line}".strip()
        if not line.endswith((":", "(most recent call last)", "interpreter.")):
            break
    return said
