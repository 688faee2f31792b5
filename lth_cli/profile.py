"""Where the time of a run goes: seconds by part, and torch's trace of a few steps."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

_TRACED = range(20, 40)


class Profile:
    """Adds up wall-clock seconds by part; a part that runs inside another is not counted in the other.

        with profile("files"):
            writer.round(fitted)

    Args:
        device: waited for at the ends of each part, so that its time is counted where it belongs.
        trace: where torch's profiler writes steps 20 to 40, for chrome://tracing or Perfetto.
    """

    def __init__(self, device: torch.device, trace: Path) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._device, self._trace = device, trace
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
        """Write the trace if the run was too short to have done so."""
        if self._profiler is not None:
            self._profiler.stop()
            self._trace.parent.mkdir(exist_ok=True)
            self._profiler.export_chrome_trace(str(self._trace))
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
            self.close()
