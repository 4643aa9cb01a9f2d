"""What a probe of a million requests keeps in the parent process. Target: under 50 MB.

The window runs in the client's process against the null server; the parent receives the latencies, summarises them
and keeps the probe.

    python benchmarks/probe_memory.py [--requests 1000000]
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import psutil

from autotune.load import ConstantRate, Payload, Tensor, create_generator
from autotune.load.http import null_server
from autotune.measurement import Probe, run_probe
from autotune.objective import Ceiling
from autotune.server import Endpoint, ModelStatistics

RATE_PER_S = 20_000.0


class NullServed:
    """Stands for a server that keeps no statistics."""

    pid = None

    def model_config(self, model: str = "") -> dict[str, object]:
        """Nothing is known of it."""
        return {}

    def statistics(self, model: str = "") -> ModelStatistics:
        """Nothing."""
        return ModelStatistics()

    def usage(self) -> None:
        """Unknown."""

    model_died = False

    def check_alive(self) -> None:
        """It is."""


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=1_000_000)
    requests = parser.parse_args().requests
    payload = Payload("null", (Tensor("input", "FP32", np.zeros((1, 16), np.float32)),))
    command = [sys.executable, str(null_server.__file__)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            endpoint = Endpoint("127.0.0.1", int(server.stdout.readline()), 0)
            with closing(create_generator("http", endpoint, payload)) as generator:
                window(generator, 0.1)  # imports, connections
                gc.collect()
                before = psutil.Process().memory_info().rss
                peak = Peak()
                probe = window(generator, requests / RATE_PER_S)
                most = peak.stop()
                gc.collect()
                after = psutil.Process().memory_info().rss
        finally:
            server.kill()
    print("| requests | kept in the parent (MB) | at its peak (MB) |")
    print("|---|---|---|")
    print(f"| {probe.requests:,} | {(after - before) / 1e6:.1f} | {(most - before) / 1e6:.1f} |")


def window(generator: object, seconds: float) -> Probe:
    """One probe as a measurement runs it."""
    return run_probe(
        NullServed(),  # type: ignore[arg-type]
        generator,  # type: ignore[arg-type]
        ConstantRate(RATE_PER_S),
        purpose="load",
        duration_s=seconds,
        timeout_s=5.0,
        ceilings=(Ceiling("p99", 0.005),),
    )


class Peak:
    """The largest resident size of this process, sampled."""

    def __init__(self) -> None:
        self._most = 0
        self._running = True
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        process = psutil.Process(os.getpid())
        while self._running:
            self._most = max(self._most, process.memory_info().rss)
            time.sleep(0.005)

    def stop(self) -> int:
        """Ends sampling; the peak in bytes."""
        self._running = False
        self._thread.join()
        return self._most


if __name__ == "__main__":
    main()
