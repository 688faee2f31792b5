"""A metric is one entry of one list: a third one appears wherever the first two do, and nothing else is changed."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lth_cli.core.metrics import METRICS
from lth_cli.training.evaluate import Evaluation, evaluate
from tests.command import history
from tests.interrupted import results
from tests.lies import believed, swap
from tests.tiny import CPU, split

THIRD = """
import json, sys
import lth_cli.core.metrics as metrics

def within_two(logits, targets):
    return (logits.topk(2, 2).indices == targets.unsqueeze(2)).any(2).sum(1)

metrics.METRICS += (metrics.Metric("top2", within_two, since=1, top=1.0),)
from lth_cli.cli import main
sys.exit(max([main(json.loads(line)) for line in sys.argv[1:]]))
"""
OPTIONS = (
    "rounds=2", "replicates=2", "train.iterations=12it", "eval_every=4it", "checkpoint_every=4it", "model.hidden=[8]",
    "controls=[random_mask]", "dataset.val_size=60", "dataset.test_size=60",
)  # fmt: skip


def with_third(*lines: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", THIRD, *map(json.dumps, lines)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("executor", ["stacked", "processes"])
def test_a_third_metric_appears_everywhere_and_survives(executor: str, tmp_path: Path) -> None:
    begun = with_third(["run", *OPTIONS, f"executor={executor}", "hydra.run.dir=run"], cwd=tmp_path)
    assert (begun.returncode, begun.stderr) == (0, "")
    assert "test top2 %" in begun.stdout
    run, whole = tmp_path / "run", results(tmp_path / "run")
    head = (run / "history.csv").read_text().splitlines()[0]
    assert "iterations,test_top2,test_accuracy,test_loss,val_top2,val_accuracy,val_loss,early_stop" in head
    head, *curve = (run / "curves.csv").read_text().splitlines()
    assert head.endswith("train_loss,val_loss,val_accuracy,val_top2,test_loss,test_accuracy,test_top2")
    for row in csv.DictReader([head, *curve]):
        for split_name in ("val", "test"):
            assert float(row[f"{split_name}_accuracy"]) <= float(row[f"{split_name}_top2"]) <= 1

    (run / "rounds" / "02" / "winning_seed1.safetensors").unlink()
    output = [["compare", "run", "--format", form, "-o", f"x.{form}"] for form in ("csv", "json", "markdown", "table")]
    resumed = with_third(["run", "resume=run"], ["verify", "run"], *output, cwd=tmp_path)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert results(run) == whole
    expected = fmean(float(row["test_top2"]) for row in history(run) if (row["round"], row["arm"]) == ("2", "winning"))
    with open(tmp_path / "x.csv") as file:
        compared = {row["arm"]: float(row["test_top2"]) for row in csv.DictReader(file)}
    assert compared["winning"] == expected
    document = json.loads((tmp_path / "x.json").read_text())
    assert {row["arm"]: row["test_top2"] for row in document["rows"]} == compared
    assert "| test accuracy % | test top2 % | vs dense |" in (tmp_path / "x.markdown").read_text().replace(" ---: ", "")
    for form in ("markdown", "table"):
        assert f"{100 * expected:.2f}" in (tmp_path / f"x.{form}").read_text()

    value = history(run)[3]["test_top2"]
    swap("history.csv", f",{value},", ",0.123,")(run)
    believed(run)
    lie = with_third(["verify", "run"], cwd=tmp_path)
    assert "history is not the end and the minimum of its curve" in lie.stdout
    swap("history.csv", ",0.123,", ",1.5,")(run)
    assert "test_top2 is 1.5" in with_third(["verify", "run"], cwd=tmp_path).stdout


def test_the_metrics_of_each_row_are_those_of_torch() -> None:
    data, rows = split(30, 2), 3
    weights = torch.randn(rows, 16, 3, generator=torch.Generator().manual_seed(0))

    def logits(x: Tensor) -> Tensor:
        return x.flatten(1) @ weights

    for row, measured in enumerate(evaluate(logits, data, CPU)):
        assert list(measured) == [metric.name for metric in METRICS] == ["loss", "accuracy"]
        scores = logits(data.images)[row]
        assert measured["loss"] == pytest.approx(F.cross_entropy(scores, data.labels).item(), rel=1e-6)
        assert measured["accuracy"] == (scores.argmax(1) == data.labels).double().mean().item()


def test_a_point_of_a_curve_is_written_and_read_in_the_order_of_the_table() -> None:
    point = Evaluation(5, 0.5, {"loss": 0.25, "accuracy": 0.75}, {"loss": 2.0})
    assert json.dumps(point.flat()) == (
        '{"iteration": 5, "train_loss": 0.5, "val_loss": 0.25, "val_accuracy": 0.75, '
        '"test_loss": 2.0, "test_accuracy": null}'
    )
    assert Evaluation.from_flat(point.flat()) == point
