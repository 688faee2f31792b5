"""Words for messages: the nearest right spelling, no more than one can read, and nothing that steers a terminal."""

import unicodedata
from collections.abc import Iterable
from shlex import quote
from typing import TextIO

_PASTED = 160  # of a word that is to be typed again: with what is said of it, it is shorter than `brief` cuts


def nearest(word: str, allowed: Iterable[str]) -> str:
    """``"; did you mean conv4?"``, or nothing where no allowed word is near."""
    import difflib

    close = difflib.get_close_matches(word, list(allowed), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def brief(text: str, lines: int = 6, width: int = 240) -> str:
    """A message cut to a few lines of a readable length, without control characters.

    A long line loses its middle: it begins with the key, and ends with what is wrong with its value.
    """
    kept = [clean(line) for line in text.split("\n")[:lines]]
    half = width // 2
    return "\n".join(line if len(line) <= width else f"{line[: width - half]}…{line[1 - half :]}" for line in kept)


def to_type(text: str) -> str | None:
    """A word as a shell takes it, nothing expanded; None if a message could not show it whole, as half of it would be
    pasted, too."""
    word = quote(text)
    return word if len(word) <= _PASTED and text.isprintable() else None


def gist(text: str) -> str:
    """The first line of a message, with those after it as long as one only announces the next."""
    said = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        said = f"{said} {line}".strip()
        if not line.endswith((":", "(most recent call last)", "interpreter.")):
            break
    return said


def clean(text: str) -> str:
    """A text in which no character steers a terminal, ends the line, or turns the direction of reading."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or unicodedata.category(c) == "Zs" else "�" for c in text)


def say(text: str, file: TextIO | None = None) -> None:
    """Print lines; the only place that does, beside `report.terminal`."""
    print("\n".join(map(clean, text.split("\n"))), file=file)
