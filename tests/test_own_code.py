"""Code of the user's own: where Python finds it, what run.json says of it, and what is said when it has changed."""

import json
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from lth_cli.command import check
from lth_cli.command.check import checked
from lth_cli.command.line import parse
from lth_cli.setup.schema import ConfigError
from tests.command import Lth, only_run

SHORT = ("rounds=1", "train.iterations=2it", "controls=[]")


@pytest.fixture
def conf(tmp_path: Path) -> str:
    """A folder of YAML whose model is in a module beside it, which imports one in it; of others, all are shadows."""
    folder = tmp_path / "my=1, code" / "conf"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "mine.yaml").write_text("_target_: mynet.net\n")
    (folder / "layers.py").write_text("from torch import nn\n\nlinear = nn.Linear\n")
    (folder.parent / "mynet.py").write_text(
        "from torch import nn\nfrom layers import linear\n\n"
        "def net(shape, classes):\n    return nn.Sequential(nn.Flatten(), linear(64, classes))\n"
    )
    for shadow in ("random", "torchvision", "sklearn"):
        (folder.parent / f"{shadow}.py").write_text("raise RuntimeError('not the one that is meant')\n")
    return str(folder.relative_to(tmp_path))


def test_code_beside_the_config_folder_and_in_it_is_found_and_recorded(lth: Lth, conf: str, tmp_path: Path) -> None:
    ran = lth("run", "--config-dir", conf, "model=mine", *SHORT)
    assert ran.returncode == 0, ran.stderr
    run, code = only_run(tmp_path), (tmp_path / conf).parent
    digests = {"layers": code / "conf" / "layers.py", "mynet": code / "mynet.py"}
    found = json.loads((run / "run.json").read_text())["code"]
    assert {name: found.get(name) for name in digests} == {
        n: sha256(f.read_bytes()).hexdigest() for n, f in digests.items()
    }
    assert not {"torch", "json", "lth_cli", "lth_cli.models", "__main__"} & found.keys()
    assert not any(str(tmp_path) in path for path in sys.path)

    (code / "mynet.py").write_text((code / "mynet.py").read_text() + "# another word\n")
    (run / "tickets" / "seed0.safetensors").unlink()
    resumed = lth("run", f"resume={run}", cwd=run)
    said = "code of your own has changed, mynet: results may differ from here on"
    assert (resumed.returncode, said in resumed.stdout) == (0, True), resumed.stderr
    record = json.loads((run / "run.json").read_text())
    assert record["code"]["mynet"] == sha256((code / "mynet.py").read_bytes()).hexdigest()
    assert said in record["notes"]
    assert lth("verify", str(run)).returncode == 0


def test_a_run_of_lths_own_choices_has_no_code_of_ones_own(run: Path) -> None:
    assert json.loads((run / "run.json").read_text())["code"] == {}


def test_a_job_finds_it_in_a_worker_too(lth: Lth, conf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which has sys.path from nobody."""
    monkeypatch.setattr(check, "make_importable", lambda *_: None)
    swept = lth("run", "-m", "--config-dir", conf, "model=mine", "seed=0,1", *SHORT)
    assert swept.returncode == 0, swept.stderr
    records = [json.loads(file.read_text()) for file in only_run(tmp_path).glob("*/run.json")]
    assert [{"layers", "mynet"} <= record["code"].keys() for record in records] == [True, True]


def test_under_safe_it_is_not_looked_for(conf: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    line = [f"--config-dir={tmp_path / conf}"]
    with pytest.raises(ConfigError, match=r"^model._target_=mynet.net: safe=true allows only"):
        checked(parse([*line, "model=mine", "safe=true"]), None)
    checked(parse([*line, "safe=true"]), None)
    assert not any("my=1" in path for path in sys.path)
    checked(parse(line), None)
    assert sys.path[-2:] == [str((tmp_path / conf).parent), str(tmp_path / conf)]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            "nowhere.Net",
            "nowhere.Net: No module named 'nowhere'\n     modules of your own are looked for in PYTHONPATH, ",
        ),
        ("mynet.Net", "mynet.Net: No module named 'mynet.Net'; 'mynet' is not a package\n"),
        ("broken.Net", "broken.Net: SyntaxError: "),
        ("torch.nn.Linear.x", "torch.nn.Linear.x: AttributeError: "),
    ],
)
def test_what_cannot_be_imported_is_said_without_hydras_words(
    target: str, words: str, lth: Lth, conf: str, tmp_path: Path
) -> None:
    (tmp_path / conf / "broken.py").write_text("def\n")
    refused = lth("run", "--config-dir", conf, "model=mine", f"model._target_={target}")
    assert refused.returncode == 2
    assert f"lth: model=mine: {words}" in refused.stderr
    assert "Error loading" not in refused.stderr
    assert "HYDRA" not in refused.stderr
    assert len(refused.stderr.splitlines()) <= 3
