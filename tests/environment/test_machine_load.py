import os
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from autotune.environment import (
    GpuState,
    MachineLoad,
    MachineUse,
    _gpu_state,
    _processes,
    cpu_s,
    gpu_state,
    memory_bytes,
    process_tree,
)

_BURN = """
import sys, time
end = time.process_time() + float(sys.argv[1])
while time.process_time() < end: pass
"""
_PARENT = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1], sys.argv[2]]);"
    "print('reaped', flush=True)"
)


def _burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def _python(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stdin=subprocess.PIPE)


@contextmanager
def _ended(process):
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_work_of_this_process_shows_on_the_machine():
    started, before = time.monotonic(), MachineLoad.now()
    _burn(0.3)
    use = MachineLoad.now() - before
    assert use.busy_s > 0.15  # counted at ticks
    assert use.steal_s >= 0
    assert 0.3 <= use.seconds <= time.monotonic() - started
    assert use.cores == len(os.sched_getaffinity(0))
    assert use.busy_s <= 1.2 * use.cores * use.seconds + 0.1


def test_cores_that_this_process_may_not_use_do_not_count(monkeypatch):
    one = psutil.cpu_times(percpu=True)[0]
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    load = MachineLoad.now()
    assert load.cores == 1
    assert 0 <= load.busy_s - (one.user + one.nice + one.system) < 60


def test_every_core_counts_if_core_numbers_are_unknown(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 4096})
    assert MachineLoad.now().cores == len(psutil.cpu_times(percpu=True))


def test_use_is_never_negative():
    earlier = MachineLoad(busy_s=10.0, steal_s=1.0, cores=2, at_s=5.0)
    assert MachineLoad(busy_s=9.99, steal_s=0.99, cores=2, at_s=6.0) - earlier == MachineUse(0.0, 0.0, 1.0, 2)


def test_other_processes_used_the_remaining_cpu_time():
    use = MachineUse(busy_s=1.5, steal_s=0.0, seconds=1.0, cores=2)
    assert use.others_s(1.2) == pytest.approx(0.3)
    assert use.others_s(1.6) == 0.0


def test_tree_holds_children_of_children():
    sleeper = "import time; time.sleep(60)"
    parent = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]]);"
        "print(child.pid, flush=True); child.wait()"
    )
    with _ended(_python(parent, sleeper)) as process:
        grandchild = int(process.stdout.readline())
        assert {found.pid for found in process_tree(process.pid)} == {process.pid, grandchild}
        mine = [found.pid for found in process_tree(os.getpid(), process.pid)]
        assert sorted(mine) == sorted(set(mine))
        assert {os.getpid(), process.pid, grandchild} <= set(mine)
        psutil.Process(grandchild).kill()
    assert process_tree(process.pid) == ()


def test_children_are_found_if_the_kernel_does_not_list_them(monkeypatch):
    with _ended(_python("import sys; sys.stdin.read()")) as process:
        listed = {found.pid for found in process_tree(os.getpid())}
        monkeypatch.setattr(_processes, "_kernel_lists_children", lambda: False)
        assert {found.pid for found in process_tree(os.getpid())} == listed
        assert process.pid in listed


def test_cpu_of_a_child_that_ended_is_still_counted():
    with _ended(_python(_PARENT + "; sys.stdin.read()", _BURN, "0.2")) as process:
        assert process.stdout.readline() == b"reaped\n"
        tree = process_tree(process.pid)
        assert [found.pid for found in tree] == [process.pid]
        assert cpu_s(tree) > 0.15


def test_memory_of_a_tree_counts_shared_libraries_once():
    with _ended(_python("import sys, numpy; print(1, flush=True); sys.stdin.read()")) as first:
        first.stdout.readline()
        alone = memory_bytes(process_tree(first.pid))
        with _ended(_python("import sys, numpy; print(1, flush=True); sys.stdin.read()")) as second:
            second.stdout.readline()
            both = memory_bytes(process_tree(first.pid, second.pid))
            resident = sum(psutil.Process(process.pid).memory_info().rss for process in (first, second))
    assert 5 << 20 < alone < both < resident


def test_memory_that_a_process_takes_is_counted():
    with _ended(
        _python("import sys; x = bytearray(b'x') * (64 << 20); print(1, flush=True); sys.stdin.read()")
    ) as grown:
        grown.stdout.readline()
        assert memory_bytes(process_tree(grown.pid)) > 64 << 20


def test_ended_processes_count_nothing():
    with _ended(_python("pass")) as process:
        (found,) = process_tree(process.pid)
    assert (cpu_s([found]), memory_bytes([found])) == (0.0, 0)


_FAKE = """#!{python}
import sys
known = {known!r}
fields = sys.argv[1].removeprefix("--query-gpu=").split(",")
assert sys.argv[2:] == ["--format=csv,noheader,nounits"], sys.argv
with open({calls!r}, "a") as calls:
    calls.write("call\\n")
for field in fields:
    if field not in known[0]:
        print(f'Field "{{field}}" is not a valid field to query.')
        sys.exit(2)
for gpu in known:
    print(", ".join(gpu[field] for field in fields))
"""


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """Puts an ``nvidia-smi`` on PATH that answers with the given cells, one mapping for each GPU."""
    _gpu_state._understood.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    calls = tmp_path / "calls"

    def write(*gpus):
        path = tmp_path / "nvidia-smi"
        path.write_text(_FAKE.format(python=sys.executable, known=gpus, calls=str(calls)))
        path.chmod(0o755)

    write.calls = lambda: len(calls.read_text().splitlines())
    yield write
    _gpu_state._understood.cache_clear()


def _gpu(group, *active, **counted_us):
    reasons = ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown", "sw_power_cap")
    cells = {f"{group}.{reason}": "Active" if reason in active else "Not Active" for reason in reasons}
    return {"memory.used": "1024"} | cells | {f"{group}_counters.{name}": str(us) for name, us in counted_us.items()}


_COUNTS = {"hw_thermal_slowdown": 0, "sw_thermal_slowdown": 70, "sw_power_cap": 900}


def test_machine_without_nvidia_smi_has_no_gpu_state(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_state() is None


@pytest.mark.parametrize("group", ["clocks_event_reasons", "clocks_throttle_reasons"])
def test_reasons_are_read_by_their_new_and_their_old_name(smi, group):
    smi(_gpu(group, "sw_thermal_slowdown"))
    assert gpu_state() == GpuState(frozenset({"sw_thermal_slowdown"}), {}, 1 << 30)


def test_counters_are_summed_over_gpus(smi):
    smi(_gpu("clocks_event_reasons", **_COUNTS), _gpu("clocks_event_reasons", "sw_power_cap", **_COUNTS))
    state = gpu_state()
    assert state.slowed_us == {"hw_thermal_slowdown": 0, "sw_thermal_slowdown": 140, "sw_power_cap": 1800}
    assert state.active == {"sw_power_cap"}
    assert state.memory_bytes == 2 << 30


def test_driver_is_asked_once_for_each_state_after_the_first(smi):
    smi(_gpu("clocks_throttle_reasons"))
    gpu_state()
    before = smi.calls()
    gpu_state()
    assert smi.calls() == before + 1


def test_a_gpu_without_readings_is_not_throttled(smi):
    smi(dict.fromkeys(_gpu("clocks_event_reasons", **_COUNTS), "[N/A]"))
    state = gpu_state()
    assert state == GpuState(frozenset(), {}, 0)
    assert state.slowdowns_since(state) == ()


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 9\n", "#!/bin/sh\necho 'No devices were found'\n", "not a program"])
def test_nvidia_smi_that_does_not_answer_is_no_gpu(smi, tmp_path, text):
    path = tmp_path / "nvidia-smi"
    path.write_text(text)
    path.chmod(0o755)
    assert gpu_state() is None


def _state(*active, **slowed_us):
    return GpuState(frozenset(active), slowed_us, 0)


@pytest.mark.parametrize(
    ("before", "after", "slowdowns"),
    [
        (_state(), _state(), ()),
        (_state("sw_thermal_slowdown"), _state(), ("sw_thermal_slowdown",)),
        (_state(), _state("hw_thermal_slowdown"), ("hw_thermal_slowdown",)),
        (_state(sw_thermal_slowdown=5), _state(sw_thermal_slowdown=9), ("sw_thermal_slowdown",)),
        # A counter that stood still knows better than what shows after the load is gone.
        (_state(sw_thermal_slowdown=5), _state("sw_thermal_slowdown", sw_thermal_slowdown=5), ()),
        (_state(), _state("hw_slowdown"), ()),
        (_state("hw_slowdown"), _state("hw_slowdown"), ("hw_slowdown",)),
        (_state("sw_power_cap", sw_power_cap=1), _state("sw_power_cap", sw_power_cap=2), ()),
    ],
)
def test_slowdowns_of_a_window(before, after, slowdowns):
    assert after.slowdowns_since(before) == slowdowns
