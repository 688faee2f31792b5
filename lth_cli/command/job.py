"""What Hydra calls for each job, in this process or in a worker: one run in its own folder."""

import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from lth_cli.command import overrides, resume
from lth_cli.command.begun import as_begun
from lth_cli.command.compose import without
from lth_cli.command.explain import failure
from lth_cli.command.foreign import foreign, targets, tell
from lth_cli.command.own_code import make_importable
from lth_cli.command.sweep import Sweep
from lth_cli.core.faults import lack
from lth_cli.core.files import held
from lth_cli.core.signals import Signals
from lth_cli.core.spelling import brief, clean, say
from lth_cli.core.streams import give_up_stdout
from lth_cli.report.terminal import Terminal, meanwhile
from lth_cli.rundir import names, within
from lth_cli.rundir.folders import Busy, sole_writer
from lth_cli.rundir.intact import reopen
from lth_cli.rundir.read import Damaged
from lth_cli.setup.schema import ConfigError

OmegaConf.register_new_resolver("lth.job_name", overrides.job_name, replace=True)


def task(
    resumed: bool, stopped: list[Exception], said: Collection[str] = (), sweep: Sweep | None = None
) -> Callable[[DictConfig], None]:
    """The function for Hydra to call with the config of each job.

    A launcher may send it to other processes. What stopped a job there is not heard of here, but in its run.json.

    Args:
        resumed: whether the jobs go on with what is in their folders.
        stopped: takes what stopped the jobs of this process.
        said: the targets that the user has been told of.
        sweep: what the jobs belong to, if to any.
    """

    def call(config: DictConfig) -> None:
        error = job(config, resumed, said, sweep)
        if error is not None:
            stopped.append(error)

    return call


def job(config: DictConfig, resumed: bool, said: Collection[str], sweep: Sweep | None) -> Exception | None:
    """One run in the folder that Hydra chose for it; returns what stopped it."""
    hydra = HydraConfig.get()
    path = Path(hydra.runtime.output_dir)
    said_by_hydra = _said_by_hydra(config)
    multirun = hydra.mode == RunMode.MULTIRUN  # which YAML may ask for, too, without a sweep of ours
    try:
        with Signals().in_order():
            if multirun and Path(hydra.sweep.dir).resolve() not in path.resolve().parents:
                raise ConfigError(f"hydra.sweep.subdir={hydra.sweep.subdir}: the name of a folder within the sweep")
            with _alone(path, Path(hydra.sweep.dir), resumed, sweep) if multirun else contextlib.nullcontext():
                if resumed:
                    as_begun(path, config, hydra.overrides.task)
                _run(settled(config, said), path, sweep, said_by_hydra if resumed else None)
    except Exception as error:
        if multirun and (isinstance(error, ConfigError | Busy | Damaged) or lack(error)):
            say(brief(f"lth: {path.name}: {failure(error) or error}"), file=sys.stderr)
        return error
    return None


@contextlib.contextmanager
def _alone(path: Path, above: Path, resumed: bool, sweep: Sweep | None) -> Iterator[None]:
    """Hold a job's folder, as the one that it is now where the sweep goes on: no link leads out of the sweep."""
    with contextlib.ExitStack() as stack:
        try:
            if resumed and sweep is not None:
                stack.enter_context(sweep.held_by_workers())
            if resumed:
                stack.enter_context(held(path, Path(os.path.abspath(above))))
        except OSError as error:
            raise error if lack(error) else Damaged(f"{error.filename}: {error.strerror}") from None
        stack.enter_context(sole_writer(path))
        yield


def _said_by_hydra(config: DictConfig) -> dict[str, str]:
    """What Hydra writes of a job, by name: it does so before the job begins, and would follow links."""
    overrides = HydraConfig.get().overrides.task
    parts = {"config": config, "hydra": HydraConfig.instance().cfg, "overrides": overrides}
    return {f"{names.HYDRA}/{name}.yaml": OmegaConf.to_yaml(part) for name, part in parts.items()}


def spin_less() -> None:
    """Let OpenMP's threads spin less while they wait for each other; to be called before torch is imported.

    Where another process has one of the cores, their spinning makes a run many times slower. On an idle machine,
    spinning less costs nothing measurable.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def settled(config: DictConfig, said: Collection[str]) -> DictConfig:
    """A config whose values no longer change, and which imports what is allowed: a resolver may tell the time.

    Values are resolved once, and then looked at: a text that would be an interpolation after that is refused as such.
    """
    plain = OmegaConf.to_container(without(config, "resume"), resolve=True)
    found = foreign(targets(plain), config.safe)
    tell({key: target for key, target in found.items() if target not in said})
    settled = OmegaConf.create(plain)
    assert isinstance(settled, DictConfig)
    return settled


def _run(config: DictConfig, path: Path, sweep: Sweep | None, said_by_hydra: Mapping[str, str] | None) -> None:
    """Args: said_by_hydra: what is to be written of it, by name, where the run goes on; else Hydra has."""
    intact = reopen(path) if said_by_hydra is not None else None
    if intact is not None and resume.is_complete(intact, OmegaConf.to_yaml(config, resolve=True)):
        say(clean(f"{path} is done, and all of it is as it was written"))
        return
    for name, text in (said_by_hydra or {}).items():
        within.make_dir(path, names.HYDRA)
        within.write(path, name, text.encode())
    spin_less()
    live = sweep is None or sweep.pid == os.getpid()
    with meanwhile("loading PyTorch", live):
        from lth_cli.command.record import mark_unstarted
        from lth_cli.command.run import run

    hydra = HydraConfig.get()
    folder = next((one.path for one in hydra.runtime.config_sources if one.provider == "command-line"), None)
    make_importable(config, folder)
    own = [f"--config-dir={folder}"] if folder is not None else []
    own += [f"--config-name={hydra.job.config_name}"] if hydra.job.config_name != "config" else []
    choices = {group: option for group, option in hydra.runtime.choices.items() if not group.startswith("hydra/")}
    source = {
        "command": shlex.join(["lth", "run", *own, *hydra.overrides.task]),
        "choices": {**choices, "controls": ",".join(config.controls)},  # Hydra does not name the choices of a list
    }
    place = None if sweep is None else sweep.place(hydra.job.num + 1, hydra.overrides.task)
    try:
        with Signals().in_order():
            run(config, path, source, _Console(), place, live, intact)
    except (Exception, KeyboardInterrupt) as error:
        # A run on its own leaves nothing behind if no work was done; in a sweep the others must be told.
        if sweep is not None and not (path / names.RECORD).exists():
            mark_unstarted(path, config, source, error)
        raise


class _Console(Terminal):
    def on_broken_pipe(self) -> None:
        """Go on without a reader: `lth run | head` must not lose the run."""
        self.quiet = True
        give_up_stdout()
