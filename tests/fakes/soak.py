"""Hundreds of restarts with random faults, and what grows meanwhile in the tuner: ``make soak``.

A study serves each config on a real Triton; some servers are killed. ``python -m soak --trials 300`` (with
``tests/fakes`` on ``PYTHONPATH``) prints the slopes of memory, descriptors, threads and disk, and ends with 1 if memory
grows by 0.05 MiB a trial or more, or if anything else grows at all. What is left is the study's own data, about 2 KiB a
window (`benchmarks/trial_memory.py` says what takes how much).
"""

from __future__ import annotations

import argparse
import gc
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from killed_runs import write_sleeper

from autotune import api
from autotune.outcome import TrialOutcome
from autotune.request import RunRequest
from autotune.search import SilentObserver

MOST_MIB = 0.05  # a trial
_KILLED = 0.15  # of the servers
_SPACE = """parameters:
  max_batch_size: [1, 2, 3, 4, 5, 6, 7, 8]
  max_queue_delay_microseconds: [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200]
  dynamic_batching: [true]
  instance_count: [1, 2, 3, 4]
"""


@dataclass
class Growth(SilentObserver):
    """Samples the tuner's process after each trial, and kills some servers."""

    temporary: Path
    random: random.Random
    samples: list[tuple[float, float, float, float]] = field(default_factory=list)
    killed: int = 0

    def server_ready(self, number: int, startup_s: float) -> None:
        if self.random.random() < _KILLED:
            threading.Timer(self.random.uniform(0, 0.5), self._kill).start()

    def trial_finished(self, number: int, outcome: TrialOutcome, best: bool) -> None:
        gc.collect()
        process = psutil.Process()
        memory_mib = process.memory_info().rss / 2**20
        self.samples.append((memory_mib, process.num_fds(), process.num_threads(), len(list(self.temporary.iterdir()))))
        sys.stderr.write(f"trial {number}: {outcome.kind.value}, {memory_mib:.1f} MiB\n")

    def slopes(self) -> dict[str, float]:
        """Growth a trial, without the first third, in which imports and caches come."""
        rows = np.array(self.samples[len(self.samples) // 3 :])
        slopes = np.polyfit(np.arange(len(rows)), rows, 1)[0]
        names = ("memory, MiB", "descriptors", "threads", "temporary files and directories")
        return dict(zip(names, map(float, slopes), strict=True))

    def _kill(self) -> None:
        for each in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if each.name() == "tritonserver":
                    each.send_signal(signal.SIGKILL)
                    self.killed += 1


def main() -> int:
    """Runs the study and prints the slopes."""
    parser = argparse.ArgumentParser(description="Restarts servers and prints what grows.")
    parser.add_argument("--trials", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        place, temporary = Path(directory), Path(directory) / "tmp"
        temporary.mkdir()
        tempfile.tempdir = str(temporary)
        write_sleeper(place / "models", 0.002)  # a slower one needs windows of 10 s for enough requests
        (place / "space.yaml").write_text(_SPACE)
        growth = Growth(temporary, random.Random(options.seed))
        request = RunRequest(
            model_repository=place / "models",
            search_space=place / "space.yaml",
            launch="embedded",
            p99="100ms",
            sampler="random",
            trials=options.trials,
            min_gain=0.0,
            final_rounds=0,
            window="20ms",
            confidence=0.6,
            results=place / "results",
            share_machine=True,
            seed=options.seed,
        )
        api.run_study(request, growth)
        tempfile.tempdir = None
    slopes = growth.slopes()
    sys.stdout.write(f"{len(growth.samples)} trials, {growth.killed} killed, {time.monotonic() - started:.0f} s\n")
    sys.stdout.write("".join(f"{name}: {slope:+.4f} a trial\n" for name, slope in slopes.items()))
    memory_mib, *others = slopes.values()
    return 0 if memory_mib < MOST_MIB and max(others) < 0.5 / len(growth.samples) ** 0.5 else 1


if __name__ == "__main__":
    sys.exit(main())
