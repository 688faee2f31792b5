"""Where the time of a run goes: seconds by part, and torch's trace of a few steps."""

import json
import os
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
        folder: for the seconds, times.json, and torch's trace of steps 20 to 40, which chrome://tracing shows.
    """

    def __init__(self, device: torch.device, folder: Path) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device, self._folder = device, folder
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
        make_dir(self._folder)
        write(self._folder / "times.json", json.dumps(self.seconds, indent=2).encode() + b"\n")

    def _write_trace(self) -> None:
        if self._profiler is not None:
            self._profiler.stop()
            make_dir(self._folder)
            # torch writes into what is there, which may have a second name elsewhere.
            with tempfile.TemporaryDirectory(dir=self._folder) as fresh:
                self._profiler.export_chrome_trace(str(Path(fresh) / "trace.json"))
                os.replace(Path(fresh) / "trace.json", self._folder / "trace.json")
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
