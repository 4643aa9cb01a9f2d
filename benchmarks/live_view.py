"""What part of a core the live view of a run takes while a trial runs.

Draws the view of a study with 40 trials on a pseudo-terminal of 120 columns for some seconds, as `autotune run` does,
and divides the CPU time of the process by the wall time. A process that only sleeps is measured beside it.

    python -m benchmarks.live_view [--seconds 20]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import subprocess
import sys
import threading

_DRAW = """
import sys, time
from autotune.cli._progress import Follow, follow

seconds, how = float(sys.argv[1]), Follow[sys.argv[2]]
with follow(how) as observer:
    if how is Follow.LIVE:
        observer._view.title = "trial 41 (proposed), batch 64, dynamic, delay 5000us, prefers 32, 2 instances"
        observer._view.phase = "locate: 5,120 inferences/s for 4.2 s"
        observer._view._history = [4000.0 + 17 * number for number in range(40)]
        observer._view.estimated(300.0)
    started, cpu_s = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    part = (time.process_time() - cpu_s) / (time.perf_counter() - started)
print(part)
"""


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    print("| progress | part of a core |")
    print("|---|---|")
    for how in ("LIVE", "PLAIN"):
        print(f"| {how.lower()} | {part_of_core(seconds, how):.2%} |")


def part_of_core(seconds: float, how: str) -> float:
    """CPU time over wall time of a process that follows a run in this way."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-c", _DRAW, str(seconds), how],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"},
            text=True,
        ) as process:
            os.close(theirs)
            threading.Thread(target=_drain, args=(ours,), daemon=True).start()
            written, _ = process.communicate(timeout=seconds + 60)
    finally:
        os.close(ours)
    return float(written)


def _drain(terminal: int) -> None:
    """Reads what was drawn; a terminal that nobody reads would hold up who draws."""
    with contextlib.suppress(OSError):  # the end of a pseudo-terminal is an error on Linux
        while os.read(terminal, 65536):
            pass


if __name__ == "__main__":
    main()
