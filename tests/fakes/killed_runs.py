"""Runs of the command line in another process, and what such a run leaves."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from tiny_models import write_double

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
WITHIN_S = 60.0


def write_sleeper(repository: Path, seconds: float = 0.02) -> Path:
    """A model ``double`` that takes 20 ms, so that little load is enough."""
    model = write_double(repository)
    source = model / "1" / "model.py"
    sleep = "import time\n" + source.read_text().replace(
        "        return [", f"        time.sleep({seconds})\n        return ["
    )
    source.write_text(sleep)
    return model


def start(command: str, models: Path, results: Path, *flags: str, ignore_hangup: bool = False) -> subprocess.Popen[str]:
    """``autotune COMMAND`` on the embedded Triton with the model ``double``; its output is in pipes."""
    where = ("--model-repository", str(models), "--model", "double", "--launch", "embedded", "--results", str(results))
    line = [
        *(["nohup"] if ignore_hangup else []),
        sys.executable,
        "-m",
        "autotune",
        command,
        *where,
        "--share-machine",
        *flags,
    ]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def start_run(models: Path, results: Path, *flags: str) -> subprocess.Popen[str]:
    """``autotune run`` with short windows, its study is ``s``."""
    how = ("--p99", "200ms", "--study", "s", "--window", "100ms", "--final-rounds", "0")
    return start("run", models, results, *how, *flags)


def wait_until(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Returns once the condition holds; fails after ``within_s`` seconds."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants."""
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def left_on_machine(pid: int) -> list[Path]:
    """Shared memory and temporary files of a process's servers."""
    directories = (SHARED_MEMORY, Path(tempfile.gettempdir()))
    return [path for each in directories for path in each.glob(f"autotune-*-{pid}-*")]


def staged(results: Path) -> list[Path]:
    """What is staged below a results directory."""
    return list(results.glob("*/.staged-*"))


def still_running(processes: Sequence[psutil.Process], within_s: float = 10) -> list[psutil.Process]:
    """Those that have not ended by then."""
    alive: list[psutil.Process] = psutil.wait_procs(processes, timeout=within_s)[1]
    return alive
