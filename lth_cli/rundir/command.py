"""The command that a run or a sweep was started with, as its record has it."""

from shlex import split

_LONGEST = 131_072  # characters of a command: ten thousand values of a sweep, and as much as Linux takes in one word
_MOST_COMMAS = 4_000  # behind a bracket: to read a list takes Hydra time that grows with the square of its length


def take_apart(command: object) -> list[str]:
    """The words of a recorded command; raises ValueError where it is longer than is read, or is none."""
    if not isinstance(command, str):
        raise ValueError("no text")
    if len(command) > _LONGEST:
        raise ValueError(f"one of {len(command):,} characters; at most {_LONGEST:,} are read")
    words = split(command)
    commas = sum(word.partition("[")[2].count(",") for word in words)
    if commas > _MOST_COMMAS:
        raise ValueError(f"one with {commas:,} commas in lists; at most {_MOST_COMMAS:,} are read")
    return words
