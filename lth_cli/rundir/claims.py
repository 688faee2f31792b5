"""What run.json claims, such as the hash of the data: the manifest has the SHA-256 of each claim."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lth_cli.rundir import names
from lth_cli.rundir.damaged import Damaged, OutOfReach
from lth_cli.rundir.manifest import Manifest, other_rows, sha256
from lth_cli.rundir.tables import rows_by_round

_MAY_CHANGE = ("status", "ended", "notes", "resumed", "diverged", "error")
"""What is said while a run works, and at its end; all else is said before it works."""


def digests(record: Mapping[str, Any]) -> dict[str, str]:
    """The SHA-256 of each claim of run.json, by its key."""
    return {
        key: sha256(json.dumps(value, sort_keys=True).encode())
        for key, value in record.items()
        if key not in _MAY_CHANGE
    }


def changed(record: Mapping[str, Any], manifest: Manifest) -> list[str]:
    """The keys of run.json that are not as they were written; none of an older run, whose manifest lacks them all."""
    found = digests(record)
    keys = dict.fromkeys((*manifest.claims, *found)) if manifest.claims else ()
    return [key for key in keys if found.get(key) != manifest.claims.get(key)]


def changed_in(path: Path, record: Mapping[str, Any], texts: Mapping[str, bytes]) -> str | None:
    """What a comparison would show of a run directory that is not as it was written, of its tables only history.csv.

    None where its manifest is missing, or is no manifest; a link, a pipe or a device in its place is named.

    Args:
        record: run.json.
        texts: config.yaml and, where there is one, history.csv, as `read.read` keeps them.
    """
    history = texts.get(names.HISTORY, b"")
    try:
        manifest = Manifest.load(path)
        if lost := changed(record, manifest):
            return f"{path / names.RECORD}: {', '.join(lost)}: not what was written"
        config = manifest.files.get(names.CONFIG)
        if config is not None and sha256(texts[names.CONFIG]) != config:
            return f"{path / names.CONFIG}: not the bytes that were written"
        listed = {b"%d" % round for round in manifest.rows}
        for place, what in other_rows(history, names.HISTORY, manifest):
            return f"{path / place}: {what}"
        if record.get("status") == "done" and (more := rows_by_round(history).keys() - listed):
            return f"{path / names.HISTORY}: round {min(more).decode()} is not in {names.MANIFEST}"
    except OutOfReach as out:
        return str(out)
    except Damaged as damaged:
        return str(damaged) if _is_odd(path / names.MANIFEST) else None
    return None


def _is_odd(file: Path) -> bool:
    """Whether there is something else than a file."""
    try:
        return not stat.S_ISREG(os.lstat(file).st_mode)
    except OSError:
        return False
