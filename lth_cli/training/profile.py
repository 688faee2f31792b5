"""Where the time of a run goes: seconds by part, and torch's trace of a few steps."""

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from lth_cli.core.files import make_dir, write

_TRACED = range(20, 40)


class Profile:
    """Adds up wall-clock seconds by part; a part that runs inside another is not counted in the other.

        with profile("files"):
            writer.round(fitted)

    Args:
        device: waited for at the ends of each part, so that its time is counted where it belongs.
        root: the run directory, whose profile/ is for the seconds, times.json, and torch's trace of steps 20 to 40,
            which chrome://tracing shows.
    """

    def __init__(self, device: torch.device, root: Path) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device, self._root = device, root
        self._open: list[str] = []
        self._since = time.perf_counter()
        self._steps = 0
        self._profiler: torch.profiler.profile | None = None

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        self._switch()
        if part == "data":  # the first part of a step
            self._count_step()
            self._since = time.perf_counter()  # starting or ending a trace is not the run's time
        self._open.append(part)
        try:
            with torch.profiler.record_function(part):
                yield
        finally:
            self._switch()
            self._open.pop()

    def close(self) -> None:
        """Write the seconds, and the trace if the run was too short to have done so."""
        self._write_trace()
        self._write("times.json", json.dumps(self.seconds, indent=2).encode() + b"\n")

    def _write(self, name: str, data: bytes) -> None:
        make_dir(self._root / "profile", self._root)
        write(self._root / "profile" / name, data, self._root)

    def _write_trace(self) -> None:
        if self._profiler is not None:
            self._profiler.stop()
            # torch writes into what is there, which may be a link, or have a second name elsewhere.
            with tempfile.TemporaryDirectory() as fresh:
                self._profiler.export_chrome_trace(str(Path(fresh) / "trace.json"))
                self._write("trace.json", (Path(fresh) / "trace.json").read_bytes())
            self._profiler = None

    def _switch(self) -> None:
        """Count the time since the last switch as that of the innermost part."""
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def _count_step(self) -> None:
        self._steps += 1
        if self._steps == _TRACED.start:
            activities = [torch.profiler.ProfilerActivity.CPU]
            if self._device.type == "cuda":
                activities.append(torch.profiler.ProfilerActivity.CUDA)
            self._profiler = torch.profiler.profile(activities=activities)
            self._profiler.start()
        if self._steps == _TRACED.stop:
            self._write_trace()
