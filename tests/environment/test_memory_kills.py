"""The kernel's counters say whether a process was killed for lack of memory; nothing else does."""

from pathlib import Path

import pytest

from autotune.environment import MemoryKills


def _machine(tmp_path: Path, membership: str, counter: str, content: str) -> Path:
    """A counter, and a process 7 of that group."""
    process = tmp_path / "proc" / "7"
    process.mkdir(parents=True)
    (process / "cgroup").write_text(membership)
    (tmp_path / "proc" / "vmstat").write_text("pgfault 5\noom_kill 3\n")
    path = tmp_path / counter
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("membership", "folder", "counter", "limit"),
    [
        ("0::/job\n", "cgroup/job", "memory.events", "memory.max"),
        ("4:memory:/job\n0::/\n", "cgroup/memory/job", "memory.oom_control", "memory.limit_in_bytes"),
        ("0::/elsewhere\n", "proc", "vmstat", ""),
    ],
)
def test_a_kill_is_counted_in_both_versions_of_control_groups_and_machine_wide(
    tmp_path: Path, membership: str, folder: str, counter: str, limit: str
) -> None:
    path = _machine(tmp_path, membership, f"{folder}/{counter}", "oom_kill_disable 0\noom 1\noom_kill 2\n")
    if limit:
        (path.parent / limit).write_text("536870912\n")
    kills = MemoryKills(7, tmp_path / "cgroup", tmp_path / "proc")
    assert not kills.happened
    assert kills.limit_bytes == (536870912 if limit else None)
    path.write_text("oom_kill_disable 0\noom 9\noom_kill 2\n")  # it was short of memory but killed nothing
    assert not kills.happened
    path.write_text("oom_kill_disable 0\noom 9\noom_kill 3\n")
    assert kills.happened


def test_without_a_counter_nothing_is_blamed_on_memory(tmp_path: Path) -> None:
    assert not MemoryKills(7, tmp_path / "cgroup", tmp_path / "proc").happened
