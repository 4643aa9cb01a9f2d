"""The directory of a study on a worker's host."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from autotune.cluster import abandoned_directories
from autotune.cluster._directory import directory_of, hold, remove

HOLD = "import sys; from autotune.cluster._directory import directory_of, hold; hold(directory_of(sys.argv[1]));"


@pytest.fixture(autouse=True)
def _own_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)


def age(directory: Path) -> None:
    old = time.time() - 3600
    os.utime(directory, (old, old))


def test_one_whose_processes_were_killed_is_removed_by_the_next_study() -> None:
    held = subprocess.Popen([sys.executable, "-c", HOLD + "print(1, flush=True); input()", "lost"], stdout=-1, stdin=-1)
    assert held.stdout is not None
    held.stdout.readline()
    lost = directory_of("lost")
    age(lost)
    assert list(abandoned_directories()) == []

    held.kill()
    held.wait()
    age(lost)
    assert list(abandoned_directories()) == [lost]
    hold(directory_of("next"))
    assert not lost.exists()
    remove(directory_of("next"))
    assert not directory_of("next").exists()


def test_one_that_is_being_created_is_left_alone() -> None:
    directory_of("new").mkdir()
    assert list(abandoned_directories()) == []
