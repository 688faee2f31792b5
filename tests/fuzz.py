"""Command lines and configs that nobody should write, and what must hold for each: 0 or 2, and a short message."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import hydra
from hypothesis import strategies as st
from omegaconf import OmegaConf

from lth_cli.cli import main
from lth_cli.command import hydra_main, launch
from lth_cli.setup.conf import conf_dir

MOST_LINES, MOST_CHARACTERS = 8, 1600

VALUES = [
    "", "0", "-1", "1e400", "nan", "-inf", "inf", "null", "true", "abc", "''", "[]", "{}", "[1", "{a:", "${seed}", "${",
    "${oc.env:NOPE}", "${x}", "${output}", "${lth.length:3}", "${hydra:job}", "9" * 10_000, "x" * 10_000, "0x10",
    "1_000", "1e-400", "range(5)", "range(0,1,0)", "range(0,1,1e-9)", "range(1e9)", "interval(0,1)", "glob(*)",
    "choice(1,2)",     "choice()", "shuffle(1,2,3)", "sort(3,1)", "int(5)", "float(x)", "a,b,c", "1,2,3",
    "/dev/null", "/proc/1/mem", "..",
    "~", "-", "'a b'", "'a\nb'", "größe", "数字", "\u202e", "\x1b[31m", "%s%n", "&a *a", "!!python/object:os.system x",
    "[nan]", "[[1]]", "{conv: nan}", "{conv: 0.5}", "5it", "5ep", "0.5it", "1e3ep", "99999999999999999999it", "-5it",
    "last", "all", "[0]", "[1,1]", "[999]", "cpu", "conv4", "sgd", "lth_cli.models.mlp", "os.system", "builtins.eval",
]  # fmt: skip
FLAGS = [
    "-m",
    "--multirun",
    "--cfg",
    "--info",
    "-cd=/nowhere",
    "--config-name=nope",
    "--config-path=x",
    "--help2",
    "-x",
]


def _keys() -> list[str]:
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = OmegaConf.to_container(hydra.compose("config"))
    found: list[str] = []

    def walk(node: object, prefix: str) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            found.append(f"{prefix}{key}")
            walk(value, f"{prefix}{key}.")

    walk(config, "")
    return [
        *found,
        "hydra.run.dir",
        "hydra.sweep.dir",
        "hydra.sweep.subdir",
        "hydra.mode",
        "hydra/launcher",
        "hydra.job.name",
    ]


KEYS = _keys()
text = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=30)
values = st.one_of(st.sampled_from(VALUES), st.floats().map(str), st.integers().map(str), text)
keys = st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS).map(lambda key: key[:-1]), text)
prefixes = st.sampled_from(["", "", "", "", "+", "++", "~"])
overrides = st.builds(lambda prefix, key, value: f"{prefix}{key}={value}", prefixes, keys, values)
runs = st.lists(st.one_of(overrides, overrides, st.sampled_from(FLAGS), text), max_size=3).map(
    lambda words: ["run", *words]
)
others = st.tuples(
    st.sampled_from(["compare", "verify", "list", "rnu", "--version"]),
    st.lists(
        st.one_of(text, st.sampled_from(["--format", "csv", "--plot", "-o", "--config-dir", "--rounds", "x"])),
        max_size=3,
    ),
).map(lambda case: [case[0], *case[1]])
lines = st.one_of(runs, runs, runs, runs, others)


@contextlib.contextmanager
def bench(folder: Path) -> Iterator[None]:
    """An empty working directory; nothing is handed to Hydra, and its own files are read only once."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        with (
            hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"),
            mock.patch.object(hydra, "initialize_config_dir", return_value=contextlib.nullcontext()),
            mock.patch.object(launch, "hand_to_hydra", return_value=None),
            mock.patch.object(hydra_main, "hand_to_hydra", return_value=None),
        ):
            yield
    finally:
        os.chdir(before)


def complaint(line: list[str]) -> str | None:
    """What is wrong with how a command line ends, or None; to be called on the bench."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(line)
    except SystemExit as end:  # argparse's --help
        code = int(end.code or 0)
    except BaseException as error:
        return f"raised {type(error).__name__}: {str(error)[:200]}"
    said = err.getvalue()
    if code not in (0, 2):
        return f"exit code {code}: {said[:200]}"
    if "Traceback" in said or len(said) > MOST_CHARACTERS or len(said.splitlines()) > MOST_LINES:
        return f"{len(said)} characters: {said[:200]}"
    if code == 2 and not said.startswith("lth: ") and "no job of the sweep could start" not in out.getvalue():
        return f"no message: {said[:200]}"
    left = list(Path().iterdir())
    return f"left {left}" if left else None
