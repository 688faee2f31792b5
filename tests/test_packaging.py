"""The wheel: what `pip install` gives to a user without a checkout."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_holds_every_config(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".yaml")}
    assert packed == {f"lth_cli/{path.relative_to(ROOT)}" for path in (ROOT / "conf").rglob("*.yaml")}


def test_the_installed_wheel_runs_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    """In an environment of its own, which borrows the dependencies of this one but not the checkout."""
    venv.create(tmp_path / "venv", with_pip=False)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(site), str(wheel)], check=True
    )
    (dependencies,) = {path for path in sys.path if path.endswith("site-packages")}
    # A plain path line adds the folder, but does not read its .pth files: the editable install stays out.
    (site / "dependencies.pth").write_text(dependencies + "\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    python = str(tmp_path / "venv" / "bin" / "python")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [python, *arguments],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        return done.stdout

    assert str(site) in run("-c", "import lth_cli; print(lth_cli.__file__)")
    assert str(site) in run("-c", "from lth_cli.setup.conf import conf_dir; print(conf_dir())")
    assert "model=conv4" in run("-m", "lth_cli", "list", "models")
    assert "winning" in run("-m", "lth_cli", "run", "rounds=1", "train.iterations=2it", "controls=[]")
    assert "winning" in run("-m", "lth_cli", "compare")
