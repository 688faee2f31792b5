"""The command that a run or a sweep was started with, as its record has it."""

import re
from shlex import split

_LONGEST = 131_072  # characters of a command: ten thousand values of a sweep, and as much as Linux takes in one word
_MOST_WORDS = 500  # Hydra reads its own files anew for each override
_MOST_VALUES = 10_000  # commas of them
_MOST_COMMAS = 4_000  # behind a bracket: to read a list takes Hydra time that grows with the square of its length


def take_apart(command: object) -> list[str]:
    """The words of a recorded command; raises ValueError where it is longer than is read, or is none."""
    if not isinstance(command, str):
        raise ValueError("no text")
    if len(command) > _LONGEST:
        raise ValueError(f"one of {len(command):,} characters; at most {_LONGEST:,} are read")
    words = split(command)
    if len(words) > _MOST_WORDS:
        raise ValueError(f"one of {len(words):,} words; at most {_MOST_WORDS:,} are read")
    commas = sum(re.sub(r"^[^\[{]*", "", word).count(",") for word in words)
    if (values := command.count(",") - commas) > _MOST_VALUES:
        raise ValueError(f"one with {values:,} commas between values; at most {_MOST_VALUES:,} are read")
    if commas > _MOST_COMMAS:
        raise ValueError(f"one with {commas:,} commas in lists and dicts; at most {_MOST_COMMAS:,} are read")
    return words
