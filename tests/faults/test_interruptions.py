"""Signals end a run in order and leave nothing; see also test_an_interrupted_run_keeps_what_it_measured."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from killed_runs import (
    family,
    left_on_machine,
    staged,
    start,
    still_running,
    wait_until,
    write_sleeper,
)


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGTERM])
def test_hangup_ends_as_sigterm_does(tmp_path: Path, signum: int) -> None:
    write_sleeper(tmp_path / "models")
    run = start("measure", tmp_path / "models", tmp_path / "r", "--concurrency", "1", "--duration", "60s")
    wait_until(lambda: left_on_machine(run.pid))
    processes = family(run.pid)
    run.send_signal(signum)
    assert run.communicate(timeout=60)[1].endswith("autotune: interrupted\n")
    assert run.returncode == 130
    assert still_running(processes) == []
    assert staged(tmp_path / "r") == []
    assert left_on_machine(run.pid) == []


def test_second_ctrl_c_stops_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    write_sleeper(tmp_path / "models")
    script = (
        "import sys, time; from pathlib import Path; from autotune.cli._interruption import interruptible\n"
        "from autotune.server import EmbeddedLauncher\n"
        "models, log = map(Path, sys.argv[1:])\n"
        "with interruptible(), EmbeddedLauncher().launch(models, 'double', log):\n"
        "    try:\n"
        "        print('ready', flush=True); time.sleep(60)\n"
        "    finally:\n"
        "        print('ends', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, tmp_path / "models", tmp_path / "log"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    processes = family(run.pid)
    run.send_signal(signal.SIGINT)
    assert run.stdout.readline() == "ends\n"
    time.sleep(0.15)
    sent = time.monotonic()
    run.send_signal(signal.SIGINT)
    assert run.communicate(timeout=60)[1] == "autotune: stopped at once; the next run removes what is left\n"
    assert time.monotonic() - sent < 1
    assert run.returncode == 130
    assert still_running(processes) == []
    assert left_on_machine(run.pid) == []


def test_nohup_still_works(tmp_path: Path) -> None:
    write_sleeper(tmp_path / "models")
    run = start(
        "measure", tmp_path / "models", tmp_path / "r", "--concurrency", "1", "--duration", "60s", ignore_hangup=True
    )
    wait_until(lambda: left_on_machine(run.pid))
    run.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(1)
    run.terminate()
    run.communicate(timeout=60)
    assert run.returncode == 130
