"""How many requests/s one client process can send, measured against a server that costs nothing."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.load._generator import LoadGeneratorFailed
from autotune.load._schedule import ConstantRate
from autotune.load.worker._generator import WorkerGenerator

if TYPE_CHECKING:
    from autotune.load._target import Target

_RATE_PER_S = 5000.0
_WINDOW_S = 0.15
_ROUNDS = 4
_TIMEOUT_S = 1.0


def requests_per_s_of_a_process(target: Target) -> float:
    """The rate at which sending the target's requests keeps one process as busy as `LoadOptions.client_busy` allows.

    From the CPU time that a request takes at 5,000 requests/s, the least of several windows: unlike the rate that
    is carried, it hardly depends on what else the machine does meanwhile. Takes about a second.

    Raises:
        LoadGeneratorFailed: The null server did not start or did not answer.
    """
    script = Path(__file__).parents[1] / target.protocol / "null_server.py"
    command = [sys.executable, "-I", str(script)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            line = server.stdout.readline()
            if not line.strip().isdigit():
                raise LoadGeneratorFailed(
                    f"the server that calibrates the load generator ({script.name}) did not start"
                )
            with closing(WorkerGenerator(replace(target, host="127.0.0.1", port=int(line)))) as generator:
                runs = [generator.run(ConstantRate(_RATE_PER_S), _WINDOW_S, _TIMEOUT_S) for _ in range(_ROUNDS)]
        finally:
            server.kill()

    spent_s = [run.client_cpu_s / run.completed for run in runs if run.completed]
    if not spent_s:
        raise LoadGeneratorFailed(f"the server that calibrates the load generator ({script.name}) did not answer")
    return target.options.client_busy / max(min(spent_s), 1e-6)
