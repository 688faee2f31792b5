"""What the files of a run can be made to say that is not so."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from lth_cli.results.checks.verify import verify
from lth_cli.rundir.claims import digests
from lth_cli.rundir.manifest import Manifest, sha256
from lth_cli.rundir.tables import rows_by_round

Lie = Callable[[Path], None]


def wrong(path: Path) -> dict[str, list[str]]:
    return {check.name: check.wrong for check in verify(path) if check.wrong}


def believed(path: Path) -> None:
    """Write the hashes anew, as one would who wants to be believed; of what run.json claims, too."""
    manifest = Manifest.load(path)
    for name in manifest.files:
        manifest.files[name] = sha256((path / name).read_bytes())
    for round, tables in manifest.rows.items():
        for table in tables:
            tables[table] = sha256(rows_by_round((path / table).read_bytes()).get(b"%d" % round, b""))
    with suppress(ValueError, RecursionError):  # what is planted there may be anything
        manifest.claims.update(digests(json.loads((path / "run.json").read_text())))
    manifest.save(path)


def change(name: str, key: str, new: Callable[[torch.Tensor], torch.Tensor]) -> Lie:
    def lie(path: Path) -> None:
        tensors = load_file(path / name)
        tensors[key] = new(tensors[key]).contiguous()
        save_file(tensors, path / name)

    return lie


def swap(name: str, old: str, new: str) -> Lie:
    def lie(path: Path) -> None:
        text = (path / name).read_text()
        assert old in text
        (path / name).write_text(text.replace(old, new, 1))

    return lie


def claim(key: str, value: object) -> Lie:
    """Let run.json say something else."""

    def lie(path: Path) -> None:
        record = json.loads((path / "run.json").read_text())
        assert record.get(key) != value
        (path / "run.json").write_text(json.dumps({**record, key: value}))

    return lie


def copy(source: str, target: str) -> Lie:
    def lie(path: Path) -> None:
        shutil.copy(path / source, path / target)

    return lie


def without(arm: str, *tables: str) -> Lie:
    """An arm that is taken out of tables, and out of the manifest where it is out of all."""

    def lie(path: Path) -> None:
        for table in tables:
            rows = (path / table).read_text().splitlines(keepends=True)
            (path / table).write_text("".join(row for row in rows if f",{arm}," not in row))
        if len(tables) == 3:
            manifest = Manifest.load(path)
            for name in [name for name in manifest.files if f"/{arm}_" in name]:
                del manifest.files[name]
                (path / name).unlink()
            manifest.save(path)

    return lie
