"""What the HTTP load generator can do when the server costs little: requests/s, CPU per request, dispatch lateness.

The server is `null_server.py` in a process of its own, which takes a core: run it on two cores with nothing else
running. Interleaves the loads and prints medians.

    python benchmarks/load_generator.py [--rounds 5] [--seconds 3]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from contextlib import closing

import numpy as np

from autotune.load import ClosedLoop, ConstantRate, LoadResult, Payload, Schedule, Tensor, create_generator
from autotune.load.http import null_server
from autotune.server import Endpoint

LOADS: tuple[Schedule, ...] = (ClosedLoop(8), ClosedLoop(32), ConstantRate(5000))
TIMEOUT_S = 2.0


def main() -> None:
    """Prints a Markdown table, one row a load."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    payload = Payload("null", (Tensor("input", "FP32", np.zeros((1, 784), np.float32)),))
    runs: dict[Schedule, list[LoadResult]] = {load: [] for load in LOADS}
    command = [sys.executable, str(null_server.__file__)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            endpoint = Endpoint("127.0.0.1", int(server.stdout.readline()), 0)
            with closing(create_generator("http", endpoint, payload)) as generator:
                for _ in range(arguments.rounds):
                    for load, results in runs.items():
                        results.append(generator.run(load, arguments.seconds, TIMEOUT_S))
        finally:
            server.kill()
    print("| load | requests/s | CPU per request (us) | lateness p99 (us) | failed |")
    print("|---|---|---|---|---|")
    for load, results in runs.items():
        rate = statistics.median(result.achieved_per_s for result in results)
        cpu = statistics.median(result.client_cpu_s / result.completed * 1e6 for result in results)
        late = statistics.median(float(np.quantile(result.lateness_s, 0.99)) * 1e6 for result in results)
        failed = sum(result.failed for result in results)
        print(f"| {load} | {rate:,.0f} | {cpu:.1f} | {late:.0f} | {failed} |")


if __name__ == "__main__":
    main()
