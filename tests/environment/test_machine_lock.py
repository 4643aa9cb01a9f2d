import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.environment import machine_lock
from autotune.errors import UsageError


def test_second_run_is_told_who_measures_and_how_to_go_on(tmp_path: Path) -> None:
    place = tmp_path / "lock"
    with machine_lock("autotune run --study first", place):
        with pytest.raises(UsageError) as refused, machine_lock("autotune run --study second", place):
            pass
        said = str(refused.value)
        assert said.startswith("--share-machine: `autotune run --study first` (")
        assert f"process {os.getpid()})" in said
        assert "\n" not in said
    with machine_lock("autotune run --study third", place):
        pass


def test_killed_run_holds_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from autotune.environment import machine_lock\n"
        "with machine_lock('first', Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, tmp_path / "lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match="first"), machine_lock("second", tmp_path / "lock"):
            pass
        run.kill()
    with machine_lock("second", tmp_path / "lock"):
        pass


def test_link_or_device_in_its_place_is_neither_followed_nor_written(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo"):
        with machine_lock("run", tmp_path / name):
            pass
    assert (tmp_path / "theirs").read_text() == "kept"
