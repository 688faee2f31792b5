"""The layout: a room imports only from the rooms below it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lth_cli

PACKAGE = Path(lth_cli.__file__).parent
# From the top down; rooms of one line may import each other.
FLOORS = (
    ("cli", "__main__", "commands"),
    ("command",),
    ("report",),
    ("pictures",),
    ("results",),
    ("setup",),
    ("rundir",),
    ("lottery",),
    ("training",),
    ("pruners", "controls", "models", "datasets", "patterns", "rewind", "schedules"),
    ("core",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room(name: str) -> str:
    """``lth_cli.core.masks`` -> core."""
    return name.split(".")[1]


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


FILES = sorted(file for file in PACKAGE.rglob("*.py") if file != PACKAGE / "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(PACKAGE)) for file in FILES])
def test_imports_run_only_downward(file: Path) -> None:
    ours = file.relative_to(PACKAGE).with_suffix("").parts[0]
    for name in imports(file):
        if name.startswith("lth_cli.") and room(name) in FLOOR:
            theirs = room(name)
            assert theirs == ours or FLOOR[theirs] >= FLOOR[ours], f"{ours} imports {name}, which stands above it"


def test_a_result_is_made_without_the_checks_of_lth_verify() -> None:
    for file in FILES:
        if file.parent == PACKAGE / "results" or file.parent == PACKAGE / "pictures":
            assert not [name for name in imports(file) if name.startswith("lth_cli.results.checks")], file


def test_every_room_has_its_floor() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(FLOOR)


def test_no_circles() -> None:
    """Not even between the modules of one room."""
    below = {
        ".".join(("lth_cli", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): file
        for file in FILES
    }
    graph = {
        module: {name if name in below else name.rpartition(".")[0] for name in imports(file)} & below.keys() - {module}
        for module, file in below.items()
    }
    while leaves := [module for module, inner in graph.items() if not inner & graph.keys()]:
        for module in leaves:
            del graph[module]
    assert sorted(graph) == []


def test_no_file_is_long() -> None:
    long = {str(file): lines for file in FILES if (lines := len(file.read_text().splitlines())) > 250}
    assert long == {}
