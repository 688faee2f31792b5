"""`lth compare` over thousands of runs: python -m benchmarks.many [RUNS], in a folder that is removed afterwards.

One real run is trained; the others are its files with other seeds, learning rates and accuracies, and true hashes.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lth_cli.rundir.claims import digests
from lth_cli.rundir.columns import TABLES
from lth_cli.rundir.manifest import Manifest, sha256
from lth_cli.rundir.tables import rows_by_round

_SEEDS = 50  # of an experiment
_RUN = ("rounds=10", "controls_at=all", "model.hidden=[8]", "train.iterations=2ep", "output=one")


def write(run: Path, folder: Path, number: int) -> None:
    """One more run, of three files."""
    seed, lr = number % _SEEDS, 1e-4 * (number // _SEEDS + 1)
    config = (run / "config.yaml").read_text().replace("\nseed: 0\n", f"\nseed: {seed}\n")
    config = config.replace("  lr: 0.0012\n", f"  lr: {lr:.4f}\n")
    record: dict[str, Any] = {**json.loads((run / "run.json").read_text()), "seeds": [seed]}
    head, *rows = (run / "history.csv").read_text().splitlines()
    history = "\n".join([head, *(_other(row, seed) for row in rows)]) + "\n"
    manifest = Manifest({"config.yaml": sha256(config.encode())}, {}, digests(record))
    for round, text in rows_by_round(history.encode()).items():
        manifest.rows[int(round)] = dict.fromkeys(TABLES, sha256(b"")) | {"history.csv": sha256(text)}
    folder.mkdir()
    (folder / "config.yaml").write_text(config)
    (folder / "run.json").write_text(json.dumps(record, indent=2))
    (folder / "history.csv").write_text(history)
    manifest.save(folder)


def _other(row: str, seed: int) -> str:
    """A row of another seed, some test images better or worse."""
    cells = row.split(",")
    cells[2], cells[8] = str(seed), str(min(360, round(float(cells[8]) * 360) + random.randrange(8)) / 360)
    return ",".join(cells)


def main(runs: int) -> None:
    """Generate, compare, and say how long and how much memory that took."""
    random.seed(0)
    lth = [sys.executable, "-m", "lth_cli"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([*lth, "run", *_RUN], cwd=folder, check=True, capture_output=True)
        (one,) = (folder / "one").glob("*/*")
        (folder / "many").mkdir()
        for number in range(runs):
            write(one, folder / "many" / f"{number:05d}", number)
        began = time.perf_counter()
        compared = subprocess.Popen([*lth, "compare", "many", "--format", "csv", "-o", "many.csv"], cwd=folder)
        _, status, used = os.wait4(compared.pid, 0)
        seconds = time.perf_counter() - began
        rows = len((folder / "many.csv").read_text().splitlines()) - 1
    work, most = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    said = f"{seconds:.1f} s, {work:.1f} s of work, at most {most:,.0f} MiB; exit code {status}"
    print(f"{runs:,} runs, {rows:,} rows: {said}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
