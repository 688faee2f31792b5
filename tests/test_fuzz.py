"""Two thousand command lines that nobody should write, and folders of config that nobody should have."""

import contextlib
import pickle
from pathlib import Path

import pytest
from hydra.errors import HydraException
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lth_cli.cli import main
from lth_cli.setup.build import build
from lth_cli.setup.schema import ConfigError
from lth_cli.setup.values import check as check_values
from tests import fuzz
from tests.configs import compose


@pytest.mark.parametrize("part", range(4))
def test_any_command_line_ends_with_0_or_2_and_a_short_message(part: int, tmp_path: Path) -> None:
    @seed(part)
    @settings(max_examples=250, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(fuzz.lines)
    def check(line: list[str]) -> None:
        assert fuzz.complaint(line) is None

    with fuzz.bench(tmp_path):
        check()


LAUGHS = "\n".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
JUNK = {
    "bomb": (f"a: &a [1]\n{LAUGHS}\n".encode(), "its aliases stand for more than 10,000 values"),
    "snake": (b"a: &a [*a]\n", "its aliases stand for more than 10,000 values"),
    "binary": (bytes(range(256)), "model=binary: "),
    "utf16": ("hidden: [3]".encode("utf-16"), "model=utf16: "),
    "pickle": (pickle.dumps(print), "model=pickle: "),
    "tag": (b"hidden: !!python/object/apply:os.system ['touch made']", "tag.yaml, line 1"),
    "list": (b"- 1\n- 2\n", "list"),
    "deep": (b"[" * 5000, "model=deep: "),
    "defaults": (b"defaults: [nowhere]\n", "nowhere"),
    "nothing": (b"defaults: 3\n", "nothing"),
}


@pytest.mark.parametrize("name", JUNK)
def test_junk_in_a_config_dir_is_a_short_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, words = JUNK[name]
    folder = tmp_path / "my\nconf" / "model"
    folder.mkdir(parents=True)
    (folder / f"{name}.yaml").write_bytes(content)
    (folder / "good.yaml").write_text("_target_: lth_cli.models.mlp\nhidden: [7]\n")
    (folder / "folder.yaml").mkdir()
    (tmp_path / "empty").mkdir()
    with fuzz.bench(tmp_path / "empty"):
        line = ["run", "--config-dir", str(folder.parent), f"model={name}"]
        assert main(line) == 2
        assert words in capsys.readouterr().err
        assert fuzz.complaint(line) is None
        assert main([*line[:-1], "model=good"]) == 0


GROUPS = [key for key in fuzz.KEYS if key.split(".")[0] in ("model", "dataset", "rewind", "sparsity") and "." in key]
NUMBERS = st.one_of(st.integers().map(str), st.floats().map(str), st.sampled_from(fuzz.VALUES))


def test_any_value_of_a_group_builds_or_is_named(tmp_path: Path) -> None:
    """With data and network; nothing is trained."""
    built: list[DictConfig] = []

    @seed(0)
    @settings(max_examples=80, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(GROUPS), NUMBERS)
    def check(key: str, value: str) -> None:
        with contextlib.suppress(ConfigError, HydraException, OmegaConfBaseException, ValueError):
            config = compose(f"{key}={value}")
            check_values(config)
            OmegaConf.to_container(config, resolve=True)
            built.append(config)
        while built:
            with contextlib.suppress(ConfigError):
                build(built.pop(), {})

    check()
