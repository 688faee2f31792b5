"""A network or a criterion of one's own that cannot work is refused before any work, in words that say why."""

from pathlib import Path

import pytest
import torch
from torch import nn

from lth_cli.command.explain import first_line
from lth_cli.core.spelling import gist
from tests.command import Lth

NET = "import torch\nfrom torch import nn\n\ndef net(shape, classes, hidden):\n    return {}\n"
BASE = "nn.Sequential(nn.Flatten(), nn.Linear(64, {}))"
MODULE = (
    "import torch\nfrom torch import nn\n\n"
    "class Net(nn.Module):\n"
    "    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.fc = nn.Linear(64, 10)\n"
    "        self.register_buffer('count', torch.zeros(()))\n"
    "    def forward(self, x):\n"
    "        y = self.fc(x.flatten(1))\n"
    "        {}\n\n"
    "def net(shape, classes, hidden):\n    return Net()\n"
)
MODELS = [
    (NET.format(BASE.format(7)), "gives (n, 7), the data set has 10 classes"),
    (NET.format("nn.Conv2d(1, 10, 3)"), "gives (n, 10, 6, 6), the data set has 10 classes"),
    (
        NET.format("nn.Sequential(nn.Flatten(), nn.Linear(784, 10))"),
        "cannot take images of (1, 8, 8): RuntimeError: ",
    ),
    (MODULE.format("return y, y"), "gives tuple, not a tensor of logits"),
    (MODULE.format("return y.argmax(1)"), "gives torch.int64, not a tensor of logits"),
    (MODULE.format("return y.sum()"), "gives (), the data set has 10 classes"),
    (
        MODULE.format("return y.detach()"),
        "fails in its backward pass: RuntimeError: element 0 of tensors does not require",
    ),
    (MODULE.format("raise KeyError('nothing')"), "cannot take images of (1, 8, 8): KeyError: 'nothing'"),
    (MODULE.format("self.count = self.count + 1; return y"), "another tensor in place of the buffer count: use copy_"),
    (
        MODULE.format("return y").replace("zeros(())", "tensor(__import__('random').random())"),
        "draws count from elsewhere than torch's global generator",
    ),
    (
        MODULE.format("return y").replace("zeros(())", "empty(1)")
        + "Net.reset_parameters = lambda self: self.nothing\n",
        "reset_parameters: AttributeError: 'Net' object has no attribute 'nothing'",
    ),
    (MODULE.format("return y if self.training else y.log_softmax(1)[:, :9]"), "gives (n, 9), the data set has 10"),
]
SCORES = [
    ("None", "the criterion gives a NoneType, not scores by layer"),
    ("{}", "no score for each weight of fc1.weight, (8, 64), but nothing"),
    ("{n: view.params[n].sum() for n in view.mask}", "no score for each weight of fc1.weight, (8, 64), but ()"),
    ("{n: 1.0 for n in view.mask}", "no score for each weight of fc1.weight, (8, 64), but float"),
    (
        "{n: view.params[n] * (float('nan') if n == 'output.weight' else 1) for n in view.mask}",
        "the criterion gives NaN for a weight of output.weight",
    ),
    ("{n: view.params[n] + 0j for n in view.mask}", "the criterion gives complex scores for fc1.weight"),
    ("{n: view.nothing for n in view.mask}", "AttributeError: 'View' object has no attribute 'nothing'"),
]


@pytest.mark.parametrize(("text", "words"), MODELS, ids=[words[:40] for _, words in MODELS])
def test_a_network_that_does_not_fit_is_refused(text: str, words: str, lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    refused = lth("run", "model._target_=mine.net")
    assert refused.returncode == 2
    assert words in refused.stderr
    assert "lth: model=" in refused.stderr
    assert len(refused.stderr.splitlines()) <= 5
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(("scores", "words"), SCORES, ids=[words[:40] for _, words in SCORES])
def test_a_criterion_that_gives_no_scores_is_refused(scores: str, words: str, lth: Lth, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"def score(view):\n    return {scores}\n")
    refused = lth("run", "model.hidden=[8]", "pruner.score._target_=mine.score")
    assert refused.returncode == 2
    assert words in refused.stderr
    assert not (tmp_path / "outputs").exists()


def test_an_error_of_several_lines_is_never_cut_to_one_that_says_nothing() -> None:
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(2, 2).load_state_dict({"weight": torch.zeros(2, 2)})
    assert str(caught.value).startswith("Error(s) in loading state_dict for Linear:\n")
    words = 'Error(s) in loading state_dict for Linear: Missing key(s) in state_dict: "bias".'
    assert words in first_line(caught.value)
    assert gist("one\ntwo") == "one"
    assert gist("\n one:\n\n  two\nthree") == "one: two"
    assert gist("") == ""
    assert first_line(ValueError()) == "ValueError: without a word"
