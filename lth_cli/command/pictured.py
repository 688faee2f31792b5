"""The pictures that a run by itself leaves in its own folder when it is done."""

from collections.abc import Iterator

from lth_cli.core.spelling import brief
from lth_cli.core.streams import described
from lth_cli.rundir.names import PICTURED
from lth_cli.rundir.pictures import save
from lth_cli.rundir.read import Run

_WORTH = 3.0  # seconds that a run must have trained: to draw takes up to one


def pictured(run: Run) -> Iterator[str]:
    """Draw the pictures of a run into its folder; yields a line where that failed, which never stops the run.

    Not of one that trained for moments only, and not where matplotlib cannot be imported.
    """
    if sum(row["train_seconds"] for row in run.history) < _WORTH:
        return
    try:
        from lth_cli.pictures.canvas import rendered
        from lth_cli.pictures.kinds import NotDrawn, picture
        from lth_cli.pictures.studies import studies
    except ImportError:
        return
    for kind in PICTURED:
        try:
            save(run.path, kind, rendered(picture(kind, studies([run])).figure, "svg"))
        except NotDrawn:
            continue
        except Exception as error:
            yield brief(f"pictures: {kind}: {type(error).__name__}: {described(error)}", lines=1)
            return
