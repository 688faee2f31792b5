"""`lth plot`: find runs, read them, and draw the kinds of pictures that are asked for."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lth_cli.core.files import make_dir, write
from lth_cli.core.spelling import brief, clean, say
from lth_cli.pictures.kinds import BY, KINDS, NotDrawn, picture
from lth_cli.report.collected import NothingToCompare, collect, expand
from lth_cli.report.terminal import Terminal
from lth_cli.results.selection import check_keys
from lth_cli.rundir.damaged import Damaged
from lth_cli.rundir.names import PICTURES

if TYPE_CHECKING:
    from lth_cli.pictures.studies import Study

# What drawing may raise of numbers and names that no run writes.
_BROKEN = (ArithmeticError, AttributeError, LookupError, RuntimeError, StopIteration, TypeError, ValueError)
FORMATS = (".svg", ".png", ".pdf")


def plot(paths: Sequence[str], kinds: Sequence[str], output: str | None, by: str | None) -> None:
    """Draw pictures of runs, and say which files were written, what was left out and what could not be drawn.

    Args:
        paths: as of `lth compare`.
        kinds: none: all there are, or all that know of `by`.
        output: a folder, in which each is KIND.svg; or the file of one picture. None: a folder below the working
            directory, which somebody else may have filled: there no link is followed, as where a user names one.
        by: a key of the config, see `kinds.picture`.

    Raises:
        NothingToCompare: no finished run there, or no picture of it.
        ValueError: what is asked for does not go together.
        OSError: a file cannot be written.
    """
    asked = list(dict.fromkeys(kinds)) or list(KINDS if by is None else BY)
    folder, root = Path(output or PICTURES), Path() if output is None else None
    alone = output is not None and output.endswith(FORMATS) and not folder.is_dir()
    if root is not None and folder.is_symlink():
        raise ValueError(f"{folder} is a link; -o {folder} follows it")
    if output == "":
        raise ValueError("-o '': name a folder, or a file")
    if alone and len(asked) > 1:
        raise ValueError(f"-o {output}: one file holds one picture; name a folder, or one --kind")
    if by is not None and (other := next((kind for kind in asked if kind not in BY), None)):
        raise ValueError(f"--by: {other} has no lines by a key; {', '.join(BY)} have")
    runs, skipped = collect(expand(paths))
    for line in skipped:
        say(brief(f"lth: {clean(line)}"), file=sys.stderr)

    from lth_cli.pictures.studies import studies

    found = studies(runs)
    if not found:
        raise NothingToCompare("nothing to plot: no finished run; name a run directory, or start with: lth run")
    check_keys([one.experiment for one in found], [] if by is None else [by])
    console, written = Terminal(), 0
    for kind in asked:
        path = folder if alone else folder / f"{kind}.svg"
        content = drawn(kind, found, path, by)
        if content is None:
            continue
        if root is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            make_dir(path.parent, root)
        write(path, content, root)
        console.say(f"wrote {path}")
        written += 1
    if not written:
        raise NothingToCompare("no picture was drawn")


def drawn(kind: str, found: "Sequence[Study]", path: Path, by: str | None = None) -> bytes | None:
    """The bytes of a picture, in the format of its path. What is left out of it, or why there is none, is said."""
    from lth_cli.pictures.canvas import rendered

    try:
        made = picture(kind, found, by)
        content = rendered(made.figure, path.suffix[1:])
    except (NotDrawn, Damaged, *_BROKEN) as error:
        what = str(error) if isinstance(error, NotDrawn | Damaged) else f"{type(error).__name__}: {error}"
        say(brief(f"lth: {kind} is not drawn: {clean(what)}", lines=1), file=sys.stderr)
        return None
    for note in made.notes:
        say(brief(f"lth: {path}: {clean(note)}", lines=1), file=sys.stderr)
    return content
