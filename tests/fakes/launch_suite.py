"""What every launch mode must do. A test module subclasses `LaunchSuite` and says how its servers are made."""

import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tiny_models import write_suite_repository

from autotune.server import (
    Endpoint,
    Launcher,
    LaunchOptions,
    LoadFailed,
    ModelStatistics,
    RunningServer,
    ServerCrashed,
    StartTimedOut,
)


class LaunchSuite:
    """The contract of `Launcher` and `RunningServer`."""

    keeps_log: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    @classmethod
    def repository(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return write_suite_repository(tmp_path_factory.mktemp("models"))

    @pytest.fixture
    def launcher(self, options: LaunchOptions) -> Launcher:
        raise NotImplementedError

    @pytest.fixture
    def options(self) -> LaunchOptions:
        return LaunchOptions(start_timeout_s=30)

    @pytest.fixture
    def impatient(self) -> Launcher:
        """A launcher that gives a server 1.5 s to start."""
        raise NotImplementedError

    def kill(self, server: RunningServer) -> None:
        """Kills what serves, as the kernel would for want of memory."""
        raise NotImplementedError

    def leftovers(self) -> set[str]:
        """Processes, containers, files: whatever a server of this mode could leave behind."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def nothing_left_behind(self, repository: Path) -> Iterator[None]:
        before, files = self.leftovers(), digest(repository)
        yield
        assert self.leftovers() - before == set()
        assert digest(repository) == files

    def test_ready_server_infers_over_http_and_grpc(self, launcher: Launcher, repository: Path, tmp_path: Path) -> None:
        with launcher.launch(repository, "double", tmp_path / "server.log") as server:
            server.check_alive()
            assert server.startup_s > 0
            for client in (tritonclient.http, tritonclient.grpc):
                np.testing.assert_array_equal(infer(client, server.endpoint, "double"), 2 * example(), strict=True)
            endpoint = server.endpoint
        assert not listens(endpoint.host, endpoint.http_port) or not self.keeps_log

    def test_unmodified_onnx_repository_is_served(self, launcher: Launcher, repository: Path, tmp_path: Path) -> None:
        with launcher.launch(repository, "negate", tmp_path / "server.log") as server:
            assert server.model_config()["max_batch_size"] == 8
            assert server.model_metadata()["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 4]}]
            np.testing.assert_array_equal(infer(tritonclient.http, server.endpoint, "negate"), -example(), strict=True)

    def test_onnx_model_without_config_is_completed_as_the_native_backend_does(
        self, launcher: Launcher, repository: Path, tmp_path: Path
    ) -> None:
        with launcher.launch(repository, "no_config", tmp_path / "server.log") as server:
            config = server.model_config()
            assert config["max_batch_size"] == 4
            assert "dynamic_batching" in config
            np.testing.assert_array_equal(infer(tritonclient.http, server.endpoint, "no_config"), -example())

    def test_statistics_count_what_happened_in_a_window(
        self, launcher: Launcher, repository: Path, tmp_path: Path
    ) -> None:
        with launcher.launch(repository, "double", tmp_path / "server.log") as server:
            infer(tritonclient.http, server.endpoint, "double")
            before = statistics_after(server, 1)
            for _ in range(3):
                infer(tritonclient.http, server.endpoint, "double")
            window = statistics_after(server, 4) - before
        assert (window.success_count, window.execution_count, window.inference_count) == (3, 3, 6)
        assert window.batch_executions == {2: 3}
        assert 0 < window.compute_infer_ns < window.request_ns

    def test_usage_of_its_processes_grows_with_load(self, launcher: Launcher, repository: Path, tmp_path: Path) -> None:
        with launcher.launch(repository, "double", tmp_path / "server.log") as server:
            before = server.usage()
            if not self.keeps_log:  # someone else's processes
                assert before is None
                return
            assert before is not None
            deadline = time.monotonic() + 20
            while (used := server.usage()) and used.cpu_since(before) < 0.05 and time.monotonic() < deadline:
                infer(tritonclient.http, server.endpoint, "double")
            assert used is not None
            assert used.cpu_since(before) >= 0.05
            assert 20 << 20 < used.memory_bytes < 2 << 30

    @pytest.mark.parametrize(
        ("model", "reason"),
        [
            ("no_backend", "unable to find backend library for backend 'nonesuch'"),
            ("raises", "no weights here"),
            ("wrong_type", "configuration expects datatype TYPE_INT32 for input 'input', model provides TYPE_FP32"),
            ("wrong_dims", "the model configuration specifies 3 dimensions"),
            ("fixed_batch", "the first dimension must be -1"),
            ("unparsable", "eight"),
        ],
    )
    def test_refused_config_is_told_in_tritons_words(
        self, launcher: Launcher, repository: Path, tmp_path: Path, model: str, reason: str
    ) -> None:
        with pytest.raises(LoadFailed) as refused, launcher.launch(repository, model, tmp_path / "server.log"):
            pytest.fail("a broken model became ready")
        assert reason in str(refused.value)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 700
        if self.keeps_log and model != "unparsable":
            assert reason[:20] in (tmp_path / "server.log").read_text()

    def test_death_of_a_ready_server_is_told(self, launcher: Launcher, repository: Path, tmp_path: Path) -> None:
        with launcher.launch(repository, "double", tmp_path / "server.log") as server:
            self.kill(server)
            with pytest.raises(ServerCrashed):
                check_alive_for(server, 5)
            with pytest.raises(ServerCrashed):
                server.statistics()

    def test_server_that_is_not_ready_in_time_is_stopped(
        self, impatient: Launcher, repository: Path, tmp_path: Path
    ) -> None:
        started = time.monotonic()
        with (
            pytest.raises(StartTimedOut, match="--start-timeout"),
            impatient.launch(repository, "slow", tmp_path / "server.log"),
        ):
            pytest.fail("a model that sleeps for a minute became ready")
        assert time.monotonic() - started < 15

    def test_server_is_stopped_when_the_measurement_raises(
        self, launcher: Launcher, repository: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(KeyboardInterrupt), launcher.launch(repository, "double", tmp_path / "server.log"):
            raise KeyboardInterrupt

    def test_log_is_kept(self, launcher: Launcher, repository: Path, tmp_path: Path) -> None:
        path = tmp_path / "logs" / "server.log"
        with launcher.launch(repository, "double", path) as server:
            assert server.log_path == (path if self.keeps_log else None)
        if self.keeps_log:
            assert "successfully loaded 'double'" in path.read_text()

    def test_description_names_the_mode_and_tritons_version(self, launcher: Launcher) -> None:
        described = launcher.describe()
        assert described["mode"] == launcher.name
        assert described["triton"]
        assert described == launcher.describe()


def interrupt(launcher: Launcher, repository: Path, log_path: Path, after_s: float) -> None:
    """Launches a server that would take a minute to start and presses Ctrl-C ``after_s`` into it."""
    ctrl_c = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT))
    ctrl_c.start()
    with pytest.raises(KeyboardInterrupt), launcher.launch(repository, "slow", log_path):
        pytest.fail("a model that sleeps for a minute became ready")
    ctrl_c.join()


def example() -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    return np.arange(8, dtype=np.float32).reshape(2, 4)


def infer(library: object, endpoint: Endpoint, model: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.generic]]":
    """The model's output for `example` through ``tritonclient.http`` or ``.grpc``."""
    port = endpoint.http_port if library is tritonclient.http else endpoint.grpc_port
    data = example()
    with library.InferenceServerClient(f"{endpoint.host}:{port}") as client:
        tensor = library.InferInput("input", data.shape, "FP32")
        tensor.set_data_from_numpy(data)
        return client.infer(model, [tensor]).as_numpy("output")


def statistics_after(server: RunningServer, requests: int) -> ModelStatistics:
    """Statistics once they count ``requests``: Triton counts a request shortly after it has answered it."""
    deadline = time.monotonic() + 5
    while (statistics := server.statistics()).success_count < requests and time.monotonic() < deadline:
        time.sleep(0.005)
    return statistics


def check_alive_for(server: RunningServer, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        server.check_alive()
        time.sleep(0.01)


def listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def digest(directory: Path) -> dict[str, str]:
    """Every path below ``directory`` with a hash of its content.

    Bytecode is left out: Python keeps it beside a model's source, which is why models are staged.
    """
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "d"
        for path in directory.rglob("*")
        if "__pycache__" not in path.parts
    }
