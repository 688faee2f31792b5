"""Pictures that are made from the files of runs, and `lth plot`."""

import ast
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import lth_cli
from lth_cli.command import pictured
from lth_cli.core import masks
from lth_cli.core.state import Mask
from lth_cli.core.ticket import Ticket
from lth_cli.pictures import canvas, curves, input_mask, layers, overlap, weights
from lth_cli.pictures.kinds import KINDS, NotDrawn, picture
from lth_cli.pictures.studies import Study, studies
from lth_cli.pictures.tickets import ticket_of
from lth_cli.rundir import names
from lth_cli.rundir.read import read
from tests.command import Lth, only_run
from tests.interrupted import cut_after, start
from tests.lies import believed
from tests.records import run as record

SEEDS = ("replicates=3", "rewind=learning_rate")
TEN = ("rounds=10", "controls.random_mask.draws=2")
EMPTIED = ("sparsity.target=0.995", "rounds=2", "controls=[]")


def of(path: Path) -> list[Study]:
    return studies([read(path)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("changes", [(), SEEDS, TEN, EMPTIED], ids=["one", "seeds", "ten", "emptied"])
def test_every_kind_is_drawn(kind: str, changes: tuple[str, ...], finished: Callable[..., Path]) -> None:
    drawn = picture(kind, of(finished(*changes)))
    drawn.figure.draw_without_rendering()
    assert drawn.notes == []
    assert any(panel.get_visible() and panel.has_data() for panel in drawn.figure.axes)


def test_curves_are_means_over_seeds_and_draws(finished: Callable[..., Path]) -> None:
    study = of(finished(*TEN))[0]
    drawn = curves.figure([study]).figure
    titles = [panel.get_title() for panel in drawn.axes]
    assert [title.split(",")[0] for title in titles[1:]] == ["round 3", "round 7", "round 10"]
    assert "dense" in titles[0]
    last = {str(line.get_label()): line for line in drawn.axes[3].lines}
    assert last.keys() == {"dense", "winning", "random_reinit", "random_mask"}
    rows = dict(study.table(names.CURVES))
    both = [rows[10, arm, 0][-1]["test_accuracy"] for arm in ("random_mask", "random_mask-2")]
    assert last["random_mask"].get_ydata()[-1] == pytest.approx(50 * sum(both))  # type: ignore[index]
    assert last["dense"].get_xdata()[0] == 0  # type: ignore[index]


def test_layers_are_shares_and_an_emptied_one_is_crossed_out(finished: Callable[..., Path]) -> None:
    study = of(finished(*EMPTIED))[0]
    drawn = layers.figure([study]).figure
    lines = {str(line.get_label()): list(line.get_ydata()) for line in drawn.axes[0].lines}
    counts = {row["layer"]: row for row in dict(study.table(names.LAYERS))[1, "winning", 0]}
    for layer, row in counts.items():
        assert lines[layer][0] == 100
        assert lines[layer][1] == pytest.approx(100 * row["remaining"] / row["total"])
    gone = [row["layer"] for row in dict(study.table(names.LAYERS))[2, "winning", 0] if row["remaining"] == 0]
    assert gone
    assert drawn.legends[0].get_title().get_text() == layers.EMPTIED
    crosses = [line for line in drawn.axes[0].lines if line.get_marker() == "x" and len(line.get_xdata())]  # type: ignore[arg-type]
    assert len(crosses) == len(gone)


def test_thousands_of_layers_are_cut_and_said_to_be(
    finished: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas, "MOST_CURVES", 2)
    drawn = layers.figure(of(finished()))
    assert drawn.notes == [drawn.figure.get_suptitle()] == ["the first 2 of 3 lines are drawn"]
    assert [str(line.get_label()) for line in drawn.figure.axes[0].lines][::2] == [layers.ALL, "fc1.weight"]


def test_the_input_mask_counts_weights_per_pixel(finished: Callable[..., Path]) -> None:
    path = finished(*SEEDS)
    drawn = input_mask.figure(of(path)).figure
    panels = [panel for panel in drawn.axes if panel.images]
    assert [panel.get_title()[-6:] for panel in panels] == ["seed 0", "seed 1", "seed 2"]
    for seed, panel in enumerate(panels):
        mask = Ticket.load(path / names.ticket(seed)).mask["fc1.weight"]
        assert np.array_equal(np.asarray(panel.images[0].get_array()), mask.sum(0).reshape(8, 8).numpy())


@pytest.mark.parametrize(("bound", "to"), [("_MOST_IMAGES", 2), ("_MOST_PIXELS", 64)])
def test_no_ticket_is_read_that_is_not_drawn(
    bound: str, to: int, finished: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[int]()

    def counted(study: Study, seed: int) -> Ticket:
        read.append(seed)
        return ticket_of(study, seed)

    monkeypatch.setattr(input_mask, "ticket_of", counted)
    monkeypatch.setattr(input_mask, bound, to)
    assert input_mask.figure(of(finished(*SEEDS))).notes == ["the first 2 of 3 tickets are drawn"]
    assert read == [0, 1]


@pytest.mark.parametrize("shape", [(0, 2**20), (1024, 0, 1024, 1), (1, 0, 2**20, 1), (1024, 1, 100, 100)])
def test_a_mask_of_no_weights_or_of_huge_kernels_is_no_image(shape: tuple[int, ...]) -> None:
    assert input_mask._image(torch.ones((), dtype=torch.bool).expand(shape))[0] is None


def test_a_convolution_shows_its_kernels_and_other_layers_none() -> None:
    mask = torch.rand(5, 2, 3, 3, generator=torch.Generator().manual_seed(0)) > 0.5
    image, what = input_mask._image(mask)
    assert image is not None
    assert image.shape == (7, 11)
    assert np.array_equal(image[4:7, 0:3], mask[3].sum(0).numpy())
    assert np.isnan(image[3]).all()
    assert what == "5 kernels of 3×3, summed over 2 channels"
    assert input_mask._image(torch.ones(4, 3 * 25, dtype=torch.bool))[1].startswith("a pixel is 12 weights")
    assert input_mask._image(torch.ones(4, 7, dtype=torch.bool)) == (
        None,
        "7 inputs are no square image of one or three channels",
    )
    assert input_mask._image(torch.ones(4, 3, 3, dtype=torch.bool))[0] is None


@pytest.mark.parametrize("changes", [SEEDS, TEN], ids=["seeds", "ten"])
def test_overlap_names_its_axes_within_the_picture_and_no_text_is_on_another(
    changes: tuple[str, ...], finished: Callable[..., Path]
) -> None:
    drawn = overlap.figure(of(finished(*changes))).figure
    drawn.draw_without_rendering()
    heading = drawn._suptitle.get_window_extent()  # type: ignore[attr-defined]
    for panel in drawn.axes:
        assert panel.xaxis.label.get_window_extent().y0 >= 0
        assert panel.title.get_window_extent().y1 <= heading.y0


def test_overlap_is_that_of_the_masks_and_chance_is_that_of_random_ones(finished: Callable[..., Path]) -> None:
    path = finished(*SEEDS)
    drawn = overlap.figure(of(path)).figure
    found = {panel.get_title(): np.asarray(panel.images[0].get_array()) for panel in drawn.axes}
    rounds, seeds = found.values()
    assert (rounds.shape, seeds.shape) == ((4, 4), (3, 3))
    tickets = [Ticket.load(path / names.ticket(seed)).mask for seed in range(3)]
    assert seeds[2, 1] == pytest.approx(masks.overlap(tickets[2], tickets[1]))
    assert len(drawn.axes[0].texts) == 16
    generator = torch.Generator().manual_seed(0)
    a, b = ({"w": torch.rand(200_000, generator=generator) < share} for share in (0.3, 0.5))
    assert overlap.chance(a, b) == pytest.approx(masks.overlap(a, b), abs=0.005)
    none = {"w": torch.zeros(3, dtype=torch.bool)}
    assert overlap.chance(none, none) == 1.0


def test_weights_of_each_experiment_begin_a_line() -> None:
    assert weights._places([3], 3) == [0, 1, 2]
    assert weights._places([5, 2, 4], 4) == [0, 1, 2, 3, 4, 8, 9, 12, 13, 14, 15]


def test_weights_are_those_the_ticket_keeps(finished: Callable[..., Path]) -> None:
    path = finished(*SEEDS)
    drawn = weights.figure(of(path)).figure
    tickets = [Ticket.load(path / names.ticket(seed)) for seed in range(3)]
    for panel, layer in zip(drawn.axes, ["fc1.weight", "output.weight"], strict=True):
        kept = sum(int(ticket.mask[layer].sum()) for ticket in tickets)
        every = sum(ticket.mask[layer].numel() for ticket in tickets)
        assert panel.get_title().endswith(f"{layer}\n{kept:,} of {every:,} kept")


def test_hundreds_of_tickets_are_not_in_memory_together(monkeypatch: pytest.MonkeyPatch) -> None:
    alive, most = list[weakref.ref[torch.Tensor]](), 0

    def made(study: Study, seed: int) -> Ticket:
        nonlocal most
        weights = {"w": torch.full((10,), seed + 1.0)}
        alive.append(weakref.ref(weights["w"]))
        most = max(most, sum(one() is not None for one in alive))
        return Ticket({"w": torch.ones(10, dtype=torch.bool)}, weights, {}, {})

    monkeypatch.setattr(weights, "with_ticket", lambda study: list(study.runs))
    monkeypatch.setattr(weights, "ticket_of", made)
    drawn = weights.figure(studies([record({(0, "dense", seed): 0.9 for seed in range(100)})]))
    assert drawn.figure.axes[0].get_title().endswith("w\n1,000 of 1,000 kept")
    assert most <= 3


def test_masks_of_hundreds_of_seeds_are_not_in_memory_together(monkeypatch: pytest.MonkeyPatch) -> None:
    alive, most = list[weakref.ref[torch.Tensor]](), 0

    def made(study: Study, arm: str, round: int, seed: int) -> Mask:
        nonlocal most
        mask = torch.arange(10) > seed % 10
        alive.append(weakref.ref(mask))
        most = max(most, sum(one() is not None for one in alive))
        return {"w": mask}

    monkeypatch.setattr(overlap, "mask_at", made)
    runs = {(round, arm, seed): 0.9 for seed in range(100) for round, arm in ((0, "dense"), (1, "winning"))}
    drawn = overlap.figure(studies([record(runs)]))
    assert [note.partition(": ")[2] for note in drawn.notes] == ["the first 9 of 100 seeds are drawn"]
    assert most <= 9 + 2 * 2


def test_of_thousands_of_layers_the_first_are_drawn(
    finished: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "MOST_PANELS", 1)
    found = of(finished())
    drawn = weights.figure([*found, *found])
    name = found[0].name
    assert drawn.notes == [f"{name}: the first 1 of 2 layers are drawn", "the first 1 of 2 experiments are drawn"]


def test_conv4_is_drawn_too(lth: Lth, tmp_path: Path) -> None:
    assert lth("run", "model=conv4", "rounds=1", "train.iterations=1it", "controls=[]").returncode == 0
    done = lth("plot", str(only_run(tmp_path)), "-o", "figures")
    assert (done.returncode, done.stderr) == (0, "")
    assert {file.name for file in (tmp_path / "figures").iterdir()} == {f"{kind}.svg" for kind in KINDS}


def test_lth_plot(lth: Lth, run: Path) -> None:
    done = lth("plot", "run", "--kind", "accuracy,layers", "--kind=cost")
    assert done.stdout.splitlines() == [f"wrote pictures/{kind}.svg" for kind in ("accuracy", "layers", "cost")]
    assert lth("plot", "run", "--kind=overlap", "-o", "new/x.png").stdout == "wrote new/x.png\n"
    assert (run.parent / "new" / "x.png").read_bytes().startswith(b"\x89PNG")
    by = lth("plot", "run", "--by=rewind", "-o", "by")
    assert by.stdout.splitlines() == [f"wrote by/{kind}.svg" for kind in ("accuracy", "early_stop", "cost")]


WRONG = [
    (("--kind=accurcy",), "did you mean accuracy?"),
    (("-o", "x.png"), "one file holds one picture"),
    (("-o", ""), "name a folder"),
    (("--by=nope",), "--by nope: no run has that key"),
    (("--by=rewind", "--kind=layers"), "--by: layers has no lines by a key"),
    (("-o", "run/run.json"), "run/run.json"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG)
def test_what_is_wrong_is_told_in_a_line(arguments: tuple[str, ...], said: str, lth: Lth, run: Path) -> None:
    done = lth("plot", "run", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_kind_that_cannot_be_drawn_is_named_and_the_others_are_drawn(lth: Lth, run: Path) -> None:
    shutil.rmtree(run / "tickets")
    done = lth("plot", "run")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "lth: input_mask is not drawn: no ticket",
        "lth: weights is not drawn: no ticket",
    ]
    (run / "rounds" / "00" / "dense_seed0.safetensors").write_bytes(b"x")
    alone = lth("plot", "run", "--kind=overlap")
    assert alone.returncode == 2
    assert "overlap is not drawn: run/rounds/00/dense_seed0.safetensors" in alone.stderr
    with pytest.raises(NotDrawn):
        overlap.figure(studies([record({(0, "dense", 0): 0.9})]))


def test_layers_of_hostile_names_are_drawn(lth: Lth, run: Path) -> None:
    text = (run / "layers.csv").read_text()
    (run / "layers.csv").write_text(text.replace("fc1.weight", "$\\frac{$ \x1b[2J").replace("output.weight", "_" * 300))
    believed(run)
    done = lth("plot", "run", "--kind=layers,curves,accuracy")
    assert (done.returncode, done.stderr) == (0, "")


def test_matplotlib_is_imported_in_one_place() -> None:
    """Which keeps it from reading a matplotlibrc of the working directory."""
    package = Path(lth_cli.__file__).parent
    importing = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import) and "matplotlib" in ast.unparse(node)
    }
    assert importing == {"pictures/canvas.py", "pictures/kinds.py"}
    assert "if TYPE_CHECKING:\n    from matplotlib" in (package / "pictures" / "kinds.py").read_text()


@pytest.fixture
def worth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictured, "_WORTH", 0.0)


PICTURES = {"accuracy.svg", "early_stop.svg"}


@pytest.mark.usefixtures("worth")
def test_a_run_leaves_its_pictures_and_is_as_it_was_to_verify(lth: Lth, tmp_path: Path) -> None:
    start(tmp_path / "run")
    assert {file.name for file in (tmp_path / "run" / "pictures").iterdir()} == PICTURES
    assert lth("verify", "run").returncode == 0
    (tmp_path / "run" / "pictures" / "accuracy.svg").write_text("spoiled")
    assert lth("verify", "run").returncode == 0


def test_a_short_run_leaves_none(tmp_path: Path) -> None:
    start(tmp_path / "run")
    assert not (tmp_path / "run" / "pictures").exists()


@pytest.mark.usefixtures("worth")
def test_a_sweep_leaves_none(lth: Lth, tmp_path: Path) -> None:
    short = ("rounds=1", "train.iterations=1it", "controls=[]")
    assert lth("run", "-m", "seed=0,1", *short).returncode == 0
    assert not list(tmp_path.rglob("pictures"))


@pytest.mark.usefixtures("worth")
def test_a_run_that_goes_on_has_none_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    cut_after(path, 2, monkeypatch)
    (path / "pictures").mkdir()
    for name in ("layers.svg", "mine.txt", ".accuracy.svg.12.lth-half-written"):
        (path / "pictures" / name).write_text("old")
    start(path, resume=True)
    assert {file.name for file in (path / "pictures").iterdir()} == {*PICTURES, "layers.svg", "mine.txt"}


@pytest.mark.usefixtures("worth")
def test_pictures_that_fail_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "run"
    start(path)
    shutil.rmtree(path / "pictures")
    (tmp_path / "elsewhere").mkdir()
    (path / "pictures").symlink_to(tmp_path / "elsewhere")
    (said,) = pictured.pictured(read(path))
    assert said.startswith("pictures: accuracy: ")
    assert not list((tmp_path / "elsewhere").iterdir())
