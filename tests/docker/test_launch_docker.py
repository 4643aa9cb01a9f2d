"""The docker mode passes the launch suite with a real engine and the image that ``docker/build`` makes."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http
from launch_suite import LaunchSuite, example, infer, interrupt
from tiny_models import write_double

from autotune.errors import UsageError
from autotune.load import ClosedLoop
from autotune.measurement import Deployment, Served, run_probe
from autotune.repository import ConfigSet, ModelRepository
from autotune.server import (
    DockerLauncher,
    Launcher,
    LaunchOptions,
    LoadFailed,
    ModelCrashed,
    RunningServer,
    ServerCrashed,
    choose_launcher,
)
from autotune.server._container import _labels
from autotune.server._engine import CPU_IMAGE, connect, find_image

_DIES = """
        import os
        if sum(len(pb_utils.get_input_tensor_by_name(each, "input").as_numpy()) for each in requests) >= 4:
            os._exit(7)
        return ["""
_TRIES = """
    def initialize(self, args):
        import os
        for path in ("/tmp/x", "~/x", "/x", "/models/x"):
            try:
                open(os.path.expanduser(path), "w").close()
                print(f"wrote: {path}", flush=True)
            except OSError:
                print(f"refused: {path}", flush=True)
        status = open("/proc/self/status").read()
        print("gained:", int(status.split("NoNewPrivs:")[1].split()[0]) - 1, flush=True)
"""
_WHO = """
    def initialize(self, args):
        import os
        print(f"runs as: {os.getuid()}:{os.getgid()}", flush=True)
"""


def missing() -> str:
    try:
        client = connect()
    except UsageError as error:
        return str(error)
    try:
        find_image(client, CPU_IMAGE)
    except UsageError as error:
        return str(error)
    finally:
        client.close()
    return ""


pytestmark = pytest.mark.skipif(
    bool(reason := missing()) and not os.environ.get("TEST_REQUIRE_DOCKER"),  # set in continuous integration
    reason=reason,
)


@pytest.fixture
def engine() -> Iterator[Any]:
    client = connect()
    yield client
    client.close()


def containers_of(engine: Any, pid: int) -> list[Any]:
    return list(engine.containers.list(all=True, filters={"label": f"autotune.pid={pid}"}, ignore_removed=True))


def two_windows(served: Served) -> None:
    """The first may end before Triton's words."""
    for _ in range(2):
        run_probe(served.server, served.generator, ClosedLoop(8), purpose="load", duration_s=0.5, timeout_s=0.5)


class TestDocker(LaunchSuite):
    @pytest.fixture
    def options(self) -> LaunchOptions:
        return LaunchOptions(image=CPU_IMAGE, start_timeout_s=30)

    @pytest.fixture
    def launcher(self, options: LaunchOptions) -> Launcher:
        return DockerLauncher(options)

    @pytest.fixture
    def impatient(self) -> Launcher:
        return DockerLauncher(LaunchOptions(image=CPU_IMAGE, start_timeout_s=1.5))

    def kill(self, server: RunningServer) -> None:
        client = connect()
        for container in containers_of(client, os.getpid()):
            container.kill()
        client.close()

    def leftovers(self) -> set[str]:
        client = connect()
        try:
            return {container.id for container in containers_of(client, os.getpid())}
        finally:
            client.close()

    def test_container_has_the_limits_and_labels_that_were_asked_for(
        self, repository: Path, tmp_path: Path, engine: Any
    ) -> None:
        (tmp_path / "weights").mkdir()
        options = LaunchOptions(
            image=CPU_IMAGE,
            memory="2g",
            shm_size="256m",
            cpuset_cpus="0",
            mounts=(f"{tmp_path / 'weights'}:/weights",),
            triton_args=("--http-thread-count=3",),
        )
        with DockerLauncher(options).launch(repository, "double", tmp_path / "log"):
            (container,) = containers_of(engine, os.getpid())
            host = container.attrs["HostConfig"]
            assert (host["Memory"], host["ShmSize"], host["CpusetCpus"]) == (2 << 30, 256 << 20, "0")
            assert host["AutoRemove"] is False
            assert f"{tmp_path / 'weights'}:/weights:ro" in host["Binds"]
            assert f"{repository}:/models:ro" in host["Binds"]
            assert container.name.startswith("autotune-double-")
            assert container.labels["autotune"] == "1"
            assert container.labels["autotune.model"] == "double"
            assert "--http-thread-count=3" in container.attrs["Config"]["Cmd"]

    def test_model_files_that_are_links_are_served(self, tmp_path: Path) -> None:
        written = write_double(tmp_path / "theirs")
        staged = tmp_path / "staged" / "double"
        (staged / "1").mkdir(parents=True)
        (staged / "config.pbtxt").write_bytes((written / "config.pbtxt").read_bytes())
        (staged / "1" / "model.py").symlink_to(written / "1" / "model.py")
        launcher = DockerLauncher(LaunchOptions(image=CPU_IMAGE, start_timeout_s=30))
        with launcher.launch(tmp_path / "staged", "double", tmp_path / "log") as server:
            np.testing.assert_array_equal(infer(tritonclient.http, server.endpoint, "double"), 2 * example())

    def test_repository_at_a_path_with_a_colon_is_served(self, launcher: Launcher, tmp_path: Path) -> None:
        write_double(tmp_path / "a: b")
        with launcher.launch(tmp_path / "a: b", "double", tmp_path / "log") as server:
            np.testing.assert_array_equal(infer(tritonclient.http, server.endpoint, "double"), 2 * example())

    @pytest.mark.parametrize("after_s", [0.02, 0.06, 0.12, 0.6])
    def test_interrupted_start_leaves_nothing(
        self, launcher: Launcher, repository: Path, tmp_path: Path, after_s: float
    ) -> None:
        interrupt(launcher, repository, tmp_path / "log", after_s)

    def test_files_that_only_their_owner_may_read_are_served(self, tmp_path: Path, engine: Any) -> None:
        private = tmp_path / "private"
        private.mkdir(mode=0o700)
        written = write_double(private / "models")
        for path in (private / "models", written, *written.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
        launcher = DockerLauncher(LaunchOptions(image=CPU_IMAGE, start_timeout_s=30))
        with launcher.launch(private / "models", "double", tmp_path / "log") as server:
            np.testing.assert_array_equal(infer(tritonclient.http, server.endpoint, "double"), 2 * example())
            (container,) = containers_of(engine, os.getpid())
            assert (container.attrs["HostConfig"]["GroupAdd"] or []) == [str(group) for group in os.getgroups()]

    def test_model_that_outgrows_the_memory_limit_as_it_loads_is_told(self, tmp_path: Path) -> None:
        source = write_double(tmp_path / "models") / "1" / "model.py"
        grow = "    def initialize(self, args):\n        self.grown = bytearray(b'x') * (1 << 30)\n"
        source.write_text(source.read_text() + grow)
        launcher = DockerLauncher(LaunchOptions(image=CPU_IMAGE, memory="300m", start_timeout_s=30))
        with (
            pytest.raises(ServerCrashed, match="out of memory; raise --memory"),
            launcher.launch(tmp_path / "models", "double", tmp_path / "log"),
        ):
            pass

    def test_model_process_that_dies_under_load_is_a_crash_with_its_batch(self, tmp_path: Path) -> None:
        """Triton goes on, and its container with it: only the model's requests fail."""
        batching = "max_batch_size: 8 dynamic_batching { }"
        source = write_double(tmp_path / "models", extra=batching) / "1" / "model.py"
        source.write_text(source.read_text().replace("        return [", _DIES, 1))
        spec = ModelRepository(tmp_path / "models").model("double")
        launcher = DockerLauncher(LaunchOptions(image=CPU_IMAGE, start_timeout_s=30))
        deployment = Deployment(spec, launcher, tmp_path)
        with (
            pytest.raises(ModelCrashed, match="of model double died") as crash,
            deployment.serve(ConfigSet.of(spec.config), tmp_path / "log") as served,
        ):
            two_windows(served)
        assert crash.value.batch_size >= 4

    def test_servers_listen_on_the_loopback_only(self, launcher: Launcher, repository: Path, tmp_path: Path) -> None:
        with launcher.launch(repository, "double", tmp_path / "log") as server:
            ports = {server.endpoint.http_port, server.endpoint.grpc_port}
            listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        addresses = {each.split(":")[0] for each in listening if int(each.split(":")[1], 16) in ports}
        assert addresses == {"0100007F"}

    def test_container_of_a_killed_study_is_removed_by_the_next(
        self, launcher: Launcher, repository: Path, tmp_path: Path, engine: Any
    ) -> None:
        script = (
            "import time; from pathlib import Path; from autotune.server import DockerLauncher, LaunchOptions\n"
            f"launcher = DockerLauncher(LaunchOptions(image={CPU_IMAGE!r}))\n"
            f"with launcher.launch(Path({str(repository)!r}), 'double', Path({str(tmp_path / 'log')!r})):\n"
            "    print('ready', flush=True); time.sleep(60)\n"
        )
        study = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert study.stdout is not None
        assert study.stdout.readline() == b"ready\n"
        study.kill()
        study.wait()
        study.stdout.close()
        deadline = time.monotonic() + 10
        while containers_of(engine, study.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert containers_of(engine, study.pid) == []

    def test_container_of_a_study_killed_with_its_keeper_is_removed_by_the_next(
        self, launcher: Launcher, repository: Path, tmp_path: Path, engine: Any
    ) -> None:
        with subprocess.Popen(["sleep", "0"]) as dead:
            pass
        (image,) = [find_image(engine, CPU_IMAGE)]
        labels = _labels("double") | {"autotune.pid": str(dead.pid), "autotune.started": "1"}
        engine.containers.create(image.id, ["sleep", "60"], labels=labels).start()
        someone_elses = labels | {"autotune.host": "another"}
        other = engine.containers.create(image.id, ["sleep", "60"], labels=someone_elses)
        try:
            with launcher.launch(repository, "double", tmp_path / "log"):
                assert [each.id for each in containers_of(engine, dead.pid)] == [other.id]
        finally:
            other.remove(force=True)

    def test_container_has_no_privileges_and_writes_to_memory_only(
        self, launcher: Launcher, tmp_path: Path, engine: Any
    ) -> None:
        source = write_double(tmp_path / "models") / "1" / "model.py"
        source.write_text(source.read_text() + _TRIES)
        with launcher.launch(tmp_path / "models", "double", tmp_path / "log"):
            (container,) = containers_of(engine, os.getpid())
            host = container.attrs["HostConfig"]
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert 0 < host["PidsLimit"] < 1 << 20
        log = (tmp_path / "log").read_text()
        assert "wrote: /tmp/x\n" in log
        assert "wrote: ~/x\n" in log
        assert "refused: /x\n" in log
        assert "refused: /models/x\n" in log
        assert "gained: 0\n" in log
        options = LaunchOptions(image=CPU_IMAGE, start_timeout_s=30, writable_container=True)
        with DockerLauncher(options).launch(tmp_path / "models", "double", tmp_path / "log"):
            pass
        assert ("wrote: /x\n" in (tmp_path / "log").read_text()) == (os.getuid() == 0)

    def test_another_user_serves_what_only_the_directory_above_hides(self, tmp_path: Path, engine: Any) -> None:
        source = write_double(tmp_path / "models") / "1" / "model.py"
        source.write_text(source.read_text() + _WHO)
        spec = ModelRepository(tmp_path / "models").model("double")
        launcher = DockerLauncher(LaunchOptions(image=CPU_IMAGE, container_user="1234", start_timeout_s=30))
        launcher.check()
        launcher.check_model(spec)
        umask = os.umask(0o077)
        try:
            with (
                closing(Deployment(spec, launcher, tmp_path)) as deployment,
                deployment.serve(ConfigSet.of(spec.config), tmp_path / "log") as served,
            ):
                np.testing.assert_array_equal(infer(tritonclient.http, served.server.endpoint, "double"), 2 * example())
                (container,) = containers_of(engine, os.getpid())
                (area,) = tmp_path.glob(".staged-*")
                assert area.stat().st_mode & 0o077 == 0
        finally:
            os.umask(umask)
        assert not container.attrs["HostConfig"]["GroupAdd"]
        assert not container.attrs["HostConfig"]["CapAdd"]
        assert "runs as: 1234:1234\n" in (tmp_path / "log").read_text()

    def test_user_who_cannot_run_the_image_is_refused_and_its_container_removed(self, engine: Any) -> None:
        dockerfile = f"FROM {CPU_IMAGE}\nUSER 0\nRUN chmod o-x /opt/tritonserver/bin\n"
        image, _ = engine.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag="autotune-closed:test", rm=True)
        try:
            with pytest.raises(UsageError, match="--container-user: user 1234:5 cannot run tritonserver in aut"):
                DockerLauncher(LaunchOptions(image="autotune-closed:test", container_user="1234:5")).check()
        finally:
            engine.images.remove(image.id, force=True)

    def test_image_without_a_triton_is_told(self, repository: Path, tmp_path: Path) -> None:
        launcher = DockerLauncher(LaunchOptions(image="autotune-base:latest"))
        try:
            launcher.check()
        except UsageError:
            pytest.skip("the base image came from a registry")
        with pytest.raises(UsageError, match="tritonserver"), launcher.launch(repository, "double", tmp_path / "log"):
            pass

    def test_too_little_memory_is_a_failure_not_an_exception(self, repository: Path, tmp_path: Path) -> None:
        launcher = DockerLauncher(LaunchOptions(image=CPU_IMAGE, shm_size="512k", start_timeout_s=30))
        with pytest.raises(LoadFailed, match="shm-size"), launcher.launch(repository, "double", tmp_path / "log"):
            pass


def test_auto_takes_docker_where_the_image_is_there() -> None:
    launcher, why = choose_launcher("auto", LaunchOptions(image=CPU_IMAGE))
    assert launcher.name == "docker"
    assert why.startswith("launch: docker")


def test_missing_image_says_how_to_get_it() -> None:
    with pytest.raises(UsageError, match=r"--image: 'no-such-image:1' .*docker pull no-such-image:1.*docker/build"):
        choose_launcher("docker", LaunchOptions(image="no-such-image:1"))


def test_malformed_image_reference_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="--image"):
        choose_launcher("docker", LaunchOptions(image="NOT A REFERENCE"))


def test_gpus_that_the_engine_cannot_pass_through_are_a_usage_error() -> None:
    client = connect()
    runtimes = client.info()["Runtimes"]
    client.close()
    if "nvidia" in runtimes:
        pytest.skip("this engine can")
    with pytest.raises(UsageError, match="--gpus"):
        choose_launcher("docker", LaunchOptions(image=CPU_IMAGE, gpus="all"))


def test_cpus_that_the_machine_lacks_are_a_usage_error_before_anything_starts() -> None:
    for mode in ("docker", "auto"):
        with pytest.raises(UsageError, match="--cpuset-cpus: '9999'"):
            choose_launcher(mode, LaunchOptions(cpuset_cpus="9999"))


def test_argument_that_triton_does_not_know_is_a_usage_error(tmp_path: Path) -> None:
    write_double(tmp_path / "models")
    launcher = DockerLauncher(LaunchOptions(image=CPU_IMAGE, triton_args=("--bogus",), start_timeout_s=30))
    with (
        pytest.raises(UsageError, match=r"--triton-arg: .*unrecognized option '--bogus'"),
        launcher.launch(tmp_path / "models", "double", tmp_path / "log"),
    ):
        pass
