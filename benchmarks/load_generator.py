"""CPU time per request, requests/s and dispatch lateness of the load generator against a server that costs little.

The server is the protocol's `null_server.py` in a process of its own, which takes a core: run it on two cores with
nothing else running. Interleaves the loads and prints medians.

    python -m benchmarks.load_generator [--protocol http] [--grpc-connections 2] [--rounds 5] [--seconds 3]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np

from autotune import load
from autotune.load import (
    ClosedLoop,
    ConstantRate,
    LoadOptions,
    LoadResult,
    Payload,
    Schedule,
    Tensor,
    create_generator,
    protocols,
)
from autotune.server import Endpoint

LOADS: tuple[Schedule, ...] = (ClosedLoop(8), ClosedLoop(32), ConstantRate(5000))
TIMEOUT_S = 2.0


def main() -> None:
    """Prints a Markdown table, one row a load."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--protocol", choices=protocols(), default="http")
    parser.add_argument("--grpc-connections", type=int, default=LoadOptions.grpc_connections)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    arguments = parser.parse_args()
    payload = Payload("null", (Tensor("input", "FP32", np.zeros((1, 784), np.float32)),))
    runs: dict[Schedule, list[LoadResult]] = {each: [] for each in LOADS}
    script = Path(load.__file__).parent / arguments.protocol / "null_server.py"
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            endpoint, options = (
                Endpoint("127.0.0.1", port, port),
                LoadOptions(grpc_connections=arguments.grpc_connections),
            )
            with closing(create_generator(arguments.protocol, endpoint, payload, options=options)) as generator:
                for _ in range(arguments.rounds):
                    for each, results in runs.items():
                        results.append(generator.run(each, arguments.seconds, TIMEOUT_S))
        finally:
            server.kill()
    print("| load | requests/s | CPU per request (us) | lateness p99 (us) | failed |")
    print("|---|---|---|---|---|")
    for each, results in runs.items():
        rate = statistics.median(result.achieved_per_s for result in results)
        cpu = statistics.median(result.client_cpu_s / result.completed * 1e6 for result in results)
        late = statistics.median(float(np.quantile(result.lateness_s, 0.99)) * 1e6 for result in results)
        failed = sum(result.failed for result in results)
        print(f"| {each} | {rate:,.0f} | {cpu:.1f} | {late:.0f} | {failed} |")


if __name__ == "__main__":
    main()
