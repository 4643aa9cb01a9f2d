import dataclasses
import os
from importlib import metadata
from pathlib import Path

import pytest

from autotune.environment import Environment, Gpu, capture, differences
from autotune.environment._cgroup import cpu_quota_cores, memory_limit_bytes

HERE = Environment(
    cpu_model="Fast CPU",
    physical_cores=1,
    logical_cores=2,
    available_cores=2.0,
    memory_bytes=24 * 2**30,
    gpus=(),
    system="Debian 12",
    kernel="6.1",
    python="3.11.2",
    launch={"mode": "embedded", "triton": "2.51.0"},
    model_digest="abc",
    packages={"onnxruntime": "1.31.0", "optuna": "5.0.0"},
)


def test_captures_this_machine():
    environment = capture({"mode": "embedded"}, "abc")
    assert environment.cpu_model
    assert 0 < environment.available_cores <= len(os.sched_getaffinity(0))
    assert environment.memory_bytes > 2**28
    assert environment.launch == {"mode": "embedded"}
    assert environment.model_digest == "abc"
    assert environment.packages["optuna"] == metadata.version("optuna")
    assert capture({"mode": "embedded"}, "abc").digest == environment.digest


def test_reads_gpus_from_nvidia_smi(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 550.54, 143771'\necho 'Odd, Name, 550.54, [N/A]'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert capture({}, "").gpus == (Gpu("NVIDIA H200", "550.54", 143771), Gpu("Odd, Name", "550.54", 0))


def test_a_broken_nvidia_smi_means_no_gpu(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed, no driver, here'\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert capture({}, "").gpus == ()


@pytest.mark.parametrize(
    "change",
    [
        {"cpu_model": "Slow CPU"},
        {"available_cores": 1.5},
        {"gpus": (Gpu("NVIDIA T4", "550", 15360),)},
        {"launch": {"mode": "docker", "triton": "2.51.0"}},
        {"model_digest": "def"},
        {"packages": {"onnxruntime": "1.30.0", "optuna": "5.0.0"}},
    ],
)
def test_the_digest_changes_if_measurements_are_not_comparable(change):
    assert dataclasses.replace(HERE, **change).digest != HERE.digest


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": "6.2"},
        {"python": "3.12.0"},
        {"memory_bytes": 1},
        {"packages": {"onnxruntime": "1.31.0", "optuna": "5.1.0"}},
    ],
)
def test_the_digest_ignores_what_does_not_affect_measurements(change):
    assert dataclasses.replace(HERE, **change).digest == HERE.digest


def test_differences_name_each_change_in_a_line():
    after = dataclasses.replace(
        HERE,
        available_cores=1.5,
        gpus=(Gpu("NVIDIA T4", "550.54", 15360),),
        launch={"mode": "docker", "image": "triton:1", "triton": "2.51.0"},
        packages={"optuna": "5.0.0"},
    )
    assert differences(HERE, after) == [
        "CPU cores available: 2 before, 1.5 now",
        "GPU: none before, NVIDIA T4 (15360 MiB, driver 550.54) now",
        "launch mode: embedded before, docker now",
        "launch image: none before, triton:1 now",
        "package onnxruntime: 1.31.0 before, none now",
    ]
    assert differences(HERE, HERE) == []


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_cgroup_2_limits_are_the_lowest_of_the_ancestors(tmp_path):
    root, membership = tmp_path / "cgroup", tmp_path / "self"
    write(membership, "0::/outer/inner\n")
    write(root / "outer/cpu.max", "150000 100000\n")
    write(root / "outer/inner/cpu.max", "max 100000\n")
    write(root / "outer/memory.max", "max\n")
    write(root / "outer/inner/memory.max", "1073741824\n")
    assert cpu_quota_cores(root, membership) == 1.5
    assert memory_limit_bytes(root, membership) == 2**30


def test_cgroup_1_limits_are_read_at_the_mount_when_the_path_is_the_hosts(tmp_path):
    root, membership = tmp_path / "cgroup", tmp_path / "self"
    write(membership, "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc\n")
    write(root / "cpu,cpuacct/cpu.cfs_quota_us", "50000\n")
    write(root / "cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    write(root / "memory/memory.limit_in_bytes", "2147483648\n")
    assert cpu_quota_cores(root, membership) == 0.5
    assert memory_limit_bytes(root, membership) == 2**31


def test_no_cgroup_limit_is_none(tmp_path):
    root, membership = tmp_path / "cgroup", tmp_path / "self"
    write(membership, "4:cpu:/\n3:memory:/\n0::/\n")
    write(root / "cpu/cpu.cfs_quota_us", "-1\n")
    write(root / "cpu/cpu.cfs_period_us", "100000\n")
    write(root / "memory/memory.limit_in_bytes", "9223372036854771712\n")
    assert cpu_quota_cores(root, membership) is None
    assert memory_limit_bytes(root, membership) is None
    assert cpu_quota_cores(root, tmp_path / "absent") is None
