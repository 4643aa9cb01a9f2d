"""What each launch mode says about a request that cannot work; nothing is started."""

import os
import socket
import time
from pathlib import Path

import pytest
from tiny_models import write_double

from autotune.errors import UsageError
from autotune.repository import ModelRepository
from autotune.server import (
    Endpoint,
    LaunchOptions,
    _bundle as bundle,
    _embedded as embedded,
    _local as local,
    choose_launcher,
)
from autotune.server._arguments import triton_arguments
from autotune.server._checks import check_mode_uses, check_options, parse_mount, parse_size
from autotune.server._choose import LAUNCHERS
from autotune.server._container_settings import container_path, container_settings
from autotune.server._ports import Ports, pick_ports
from autotune.server._remote import parse_url, read_override


def one_line(mode: str, options: LaunchOptions) -> str:
    with pytest.raises(UsageError) as error:
        choose_launcher(mode, options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_unknown_mode_lists_the_known_ones() -> None:
    assert "use auto, docker, local, embedded, remote" in one_line("podman", LaunchOptions())


@pytest.mark.parametrize("flag", ["http_port", "grpc_port"])
def test_port_in_use_names_its_flag(flag: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = one_line("embedded", LaunchOptions(**{flag: port}))
    assert message.startswith(f"--{flag.replace('_', '-')}: 127.0.0.1:{port} is in use")


def test_ports_that_collide_or_do_not_exist_are_refused() -> None:
    with pytest.raises(UsageError, match="--grpc-port"):
        pick_ports(9000, 9000)
    with pytest.raises(UsageError, match="--http-port: 70000 is not a port"):
        pick_ports(70000, None)


def test_chosen_ports_are_free_and_distinct() -> None:
    ports = pick_ports(None, None)
    assert len({ports.http, ports.grpc, ports.metrics}) == 3
    assert ports.chosen


def test_missing_libpython_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "find_libpython", lambda: None)
    assert f"apt-get install {bundle.LIBPYTHON.split('.so')[0]}" in one_line("embedded", LaunchOptions())


def test_too_little_shared_memory_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "free_shared_memory_bytes", lambda: 1 << 20)
    message = one_line("embedded", LaunchOptions())
    assert "1 MiB free" in message
    assert "--shm-size" in message


def test_unreachable_engine_names_launch_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    message = one_line("docker", LaunchOptions())
    assert message.startswith("--launch docker: no Docker engine answers")


def test_engine_on_another_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    assert "DOCKER_HOST" in one_line("docker", LaunchOptions())


def test_auto_falls_through_and_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("PATH", str(tmp_path))
    launcher, why = choose_launcher("auto", LaunchOptions())
    assert launcher.name == "embedded"
    assert "not docker: no Docker engine answers" in why
    assert "not local: no tritonserver on the PATH" in why


def test_given_binary_must_be_executable(tmp_path: Path) -> None:
    assert "--triton-path" in one_line("local", LaunchOptions(triton_path=tmp_path / "missing"))
    (tmp_path / "plain").touch()
    assert "chmod +x" in one_line("local", LaunchOptions(triton_path=tmp_path / "plain"))


def test_remote_without_url_or_server_names_the_flag() -> None:
    assert "--url" in one_line("remote", LaunchOptions())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    assert "does not answer" in one_line("remote", LaunchOptions(url=address))


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("gpu-box", Endpoint("gpu-box", 8000, 8001)),
        ("gpu-box:9000", Endpoint("gpu-box", 9000, 9001)),
        ("http://gpu-box:9000/", Endpoint("gpu-box", 9000, 9001)),
        ("gpu-box:9000,9500", Endpoint("gpu-box", 9000, 9500)),
    ],
)
def test_url_gives_both_ports(url: str, endpoint: Endpoint) -> None:
    assert parse_url(url) == endpoint


@pytest.mark.parametrize("url", ["", ":8000", "host:port", "host:8000,x", "host:99999"])
def test_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--url"):
        parse_url(url)


def test_override_keeps_the_names_of_the_config(tmp_path: Path) -> None:
    path = tmp_path / "config.pbtxt"
    path.write_text(
        "max_batch_size: 8 dynamic_batching { preferred_batch_size: [ 4 ] } instance_group { kind: KIND_CPU }"
    )
    assert read_override(path) == {
        "max_batch_size": 8,
        "dynamic_batching": {"preferred_batch_size": [4]},
        "instance_group": [{"kind": "KIND_CPU"}],
    }
    assert read_override(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("mounts", "said"),
    [
        (["/a", "/a/"], "has the same place as"),
        (["/models"], "hides the served models"),
        (["/models/double"], "hides the served models"),
        (["/"], "hides the served models"),
    ],
)
def test_mounts_that_conflict_are_refused(tmp_path: Path, mounts: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=rf"--mount: .* {said}"):
        check_options(LaunchOptions(mounts=tuple(f"{tmp_path}:{each}" for each in mounts)))


def test_mounts_are_read_only_by_default(tmp_path: Path) -> None:
    assert parse_mount(f"{tmp_path}:/weights") == f"{tmp_path}:/weights:ro"
    assert parse_mount(f"{tmp_path}:/weights:rw") == f"{tmp_path}:/weights:rw"
    for wrong in ("nowhere", f"{tmp_path}:weights", f"{tmp_path}:/weights:wr", f"{tmp_path}/none:/weights"):
        with pytest.raises(UsageError, match="--mount"):
            parse_mount(wrong)


def test_triton_args_come_last() -> None:
    def arguments(*extra: str) -> list[str]:
        return triton_arguments(
            server_id="id",
            repository="/models",
            models=["m"],
            address="127.0.0.1",
            ports=Ports(1, 2, 3, True),
            stop_grace_s=0,
            complete_config=False,
            extra=extra,
        )

    assert arguments("--log-verbose=1")[-1] == "--log-verbose=1"
    assert "--allow-metrics=false" in arguments()
    assert "--metrics-port=3" in arguments("--allow-metrics=true")
    assert "--allow-metrics=false" not in arguments("--allow-metrics=true")
    assert "--disable-auto-complete-config" in arguments()
    assert "--disable-auto-complete-config" not in arguments("--strict-model-config=false")


@pytest.mark.parametrize("mode", ["docker", "local", "embedded", "remote", "auto"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (LaunchOptions(memory="lots"), "--memory: 'lots' is not a size; write one such as 512m or 4g"),
        (LaunchOptions(memory="1m"), "--memory: '1m' is below the engine's minimum, 6m;"),
        (LaunchOptions(memory="0"), "--memory: '0' is not a size"),
        (LaunchOptions(shm_size="zz"), "--shm-size: 'zz' is not a size"),
        (LaunchOptions(shm_size="4gg"), "--shm-size: '4gg' is not a size"),
        (LaunchOptions(cpuset_cpus="a-b"), "--cpuset-cpus: 'a-b' is not a list of CPUs"),
        (LaunchOptions(cpuset_cpus="3-1"), "--cpuset-cpus: '3-1' is not a list of CPUs"),
        (LaunchOptions(gpus="lots"), "--gpus: 'lots' is none of"),
        (LaunchOptions(container_user="me"), "--container-user: 'me' is not UID or UID:GID; write numbers such as"),
        (LaunchOptions(container_user="1:"), "--container-user: '1:' is not UID or UID:GID"),
        (LaunchOptions(container_user="0:5"), "--container-user: '0:5' is root; give another user"),
        (LaunchOptions(container_user="5:2147483648"), "--container-user: '5:2147483648' is above 2147483647"),
        (LaunchOptions(mounts=("/no/such:/x",)), "--mount: /no/such does not exist"),
        (LaunchOptions(http_port=9000, grpc_port=9000), "--grpc-port: 9000 is also --http-port"),
        (
            LaunchOptions(triton_args=("--model-repository=/x",)),
            "--triton-arg: '--model-repository' is set by autotune; use autotune's --model-repository",
        ),
        (LaunchOptions(triton_args=("--http-po", "1")), "--triton-arg: '--http-po' is set by autotune"),
    ],
)
def test_an_invalid_value_is_refused_in_every_mode(mode: str, options: LaunchOptions, message: str) -> None:
    assert one_line(mode, options).startswith(message)


@pytest.mark.parametrize(
    ("text", "size"), [("512m", 512 << 20), ("4g", 4 << 30), ("4GB", 4 << 30), ("1.5k", 1536), ("8b", 8), ("7", 7)]
)
def test_sizes_are_read_as_docker_reads_them(text: str, size: int) -> None:
    assert parse_size("--memory", text) == size


@pytest.mark.parametrize("gpus", ["auto", "none", "all", "0", "0,1", "GPU-1b2c-3d, MIG-4/5/6"])
def test_gpus_are_taken_by_word_number_or_id(gpus: str) -> None:
    check_options(LaunchOptions(gpus=gpus))


def test_cpu_that_the_machine_lacks_names_the_flag(tmp_path: Path) -> None:
    container_settings(LaunchOptions(cpuset_cpus="0"), {"NCPU": 2}, tmp_path)
    with pytest.raises(UsageError, match=r"--cpuset-cpus: '0,9999' asks for CPU 9999; this machine has 0 to"):
        container_settings(LaunchOptions(cpuset_cpus="0,9999"), {"NCPU": 2}, tmp_path)


def executable(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_binary_that_is_no_triton_is_refused(tmp_path: Path) -> None:
    message = one_line("local", LaunchOptions(triton_path=Path("/bin/ls")))
    assert message.startswith("--triton-path: /bin/ls is not a tritonserver;")
    broken = executable(tmp_path / "broken", "exec /no/such/interpreter")
    assert "is not a tritonserver" in one_line("local", LaunchOptions(triton_path=broken))
    triton = executable(tmp_path / "triton", "echo '  --model-repository <string>'; exit 1")
    assert choose_launcher("local", LaunchOptions(triton_path=triton))[0].name == "local"


def test_binary_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_HELP_TIMEOUT_S", 0.2)
    silent = executable(tmp_path / "silent", "exec sleep 20")
    started = time.monotonic()
    assert "is not a tritonserver" in one_line("local", LaunchOptions(triton_path=silent))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("mode", ["embedded", "local", "remote"])
@pytest.mark.parametrize(
    "options",
    [
        {"memory": "1g"},
        {"shm_size": "1g"},
        {"gpus": "none"},
        {"cpuset_cpus": "0"},
        {"image": "x"},
        {"container_user": "5"},
    ],
)
def test_an_option_that_the_mode_ignores_is_refused(mode: str, options: dict[str, str]) -> None:
    (flag,) = (f"--{name.replace('_', '-')}" for name in options)
    assert one_line(mode, LaunchOptions(**options)) == (
        f"{flag}: no effect with --launch {mode}; drop it, or use --launch docker"
    )


def test_an_option_that_the_automatic_mode_ignores_is_refused_with_the_reason_for_the_mode(tmp_path: Path) -> None:
    triton = executable(tmp_path / "triton", "echo '  --model-repository <string>'; exit 1")
    assert one_line("auto", LaunchOptions(triton_path=triton, memory="1g", gpus="all")) == (
        "--memory, --gpus: no effect with --launch local (chosen: local (--triton-path is given));"
        " drop them, or use --launch docker"
    )


def test_options_that_the_mode_uses_are_taken() -> None:
    check_mode_uses("docker", LaunchOptions(image="x", gpus="all", mounts=("a:/b",)), "")
    check_mode_uses("embedded", LaunchOptions(triton_args=("--log-verbose=1",)), "")


def test_only_a_mode_that_can_see_a_gpu_says_it_has_one() -> None:
    assert LAUNCHERS["embedded"](LaunchOptions()).has_gpu() is False
    assert LAUNCHERS["docker"](LaunchOptions(gpus="none")).has_gpu() is False
    assert LAUNCHERS["remote"](LaunchOptions(url="x:1")).has_gpu() is None


def test_description_leaves_out_what_is_not_given() -> None:
    assert "arguments" not in embedded.EmbeddedLauncher().describe()
    given = embedded.EmbeddedLauncher(LaunchOptions(triton_args=("--log-verbose=1",)))
    assert given.describe()["arguments"] == "--log-verbose=1"


def test_an_unknown_host_is_reported_without_an_error_number() -> None:
    message = one_line("remote", LaunchOptions(url="no-such-host.invalid:8000"))
    assert "does not answer: " in message
    assert "Errno" not in message


def test_container_runs_as_the_user_that_was_asked_for() -> None:
    settings = container_settings(LaunchOptions(container_user="5"), {"NCPU": 2}, None)
    assert settings["user"] == "5:5"
    assert "group_add" not in settings
    assert "cap_add" not in settings
    with pytest.raises(UsageError, match="--container-user: with --shared-memory system"):
        container_settings(LaunchOptions(container_user="5", share_memory=True), {"NCPU": 2}, None)
    with pytest.raises(UsageError, match="--container-user: this Docker engine is rootless"):
        container_settings(LaunchOptions(container_user="5"), {"SecurityOptions": ["name=rootless"]}, None)


def test_file_that_the_containers_user_may_not_read_is_named(tmp_path: Path) -> None:
    file = write_double(tmp_path) / "1" / "model.py"
    launcher = LAUNCHERS["docker"](LaunchOptions(container_user=str(os.getuid() + 1)))
    for mode in (0o644, 0o604):
        file.chmod(mode)
        launcher.check_model(ModelRepository(tmp_path).model("double"))
    file.chmod(0o640)
    with pytest.raises(UsageError, match=f"--container-user: user .* cannot read {file}; run `chmod o.r` on it"):
        launcher.check_model(ModelRepository(tmp_path).model("double"))


def test_what_is_beside_a_model_is_mounted_where_its_links_lead_to(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    staged = tmp_path / "staged"
    for directory in (root / "shared", root / "other", staged):
        directory.mkdir(parents=True)
    for name in ("shared", "other"):
        (staged / name).symlink_to(root / name)
    volumes = container_settings(LaunchOptions(), {"NCPU": 2}, staged)["volumes"]
    assert volumes == [f"{staged}:/models:ro", f"{root}:{root}:ro"]
    assert container_path(staged) == "/models"
