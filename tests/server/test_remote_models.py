"""The remote mode on someone else's Triton: what it loads it unloads, and nobody else waits for it."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tiny_models import write_double, write_model, write_onnx

from autotune.cli import main
from autotune.repository import ModelConfig
from autotune.server import EmbeddedLauncher, LaunchOptions, RemoteLauncher, RunningServer
from autotune.server._control import ControlClient

SLOW = """
import time

class TritonPythonModel:
    def initialize(self, args):
        time.sleep(1.5)
"""
TENSORS = """
input { name: "input" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "output" data_type: TYPE_FP32 dims: [ 4 ] }
"""
STEPS = """
platform: "ensemble" max_batch_size: 8
ensemble_scheduling { step [
  { model_name: "first" model_version: -1
    input_map { key: "input" value: "input" } output_map { key: "output" value: "between" } },
  { model_name: "second" model_version: -1
    input_map { key: "input" value: "between" } output_map { key: "output" value: "output" } }
] }
"""


def write_pipeline(repository: Path, second: int = 8) -> Path:
    write_double(repository, "first")
    write_double(repository, "second", f"max_batch_size: {second}")
    write_model(repository, "both", STEPS + TENSORS)
    return repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_model(tmp_path / "models", "slow", f'backend: "python" {TENSORS}', SLOW)
    return write_pipeline(tmp_path / "models")


@pytest.fixture(params=["first"])
def server(request: pytest.FixtureRequest, repository: Path, tmp_path: Path) -> Iterator[RunningServer]:
    with EmbeddedLauncher(LaunchOptions(start_timeout_s=30)).launch(
        repository, request.param, tmp_path / "theirs.log"
    ) as running:
        yield running


@pytest.fixture
def launcher(server: RunningServer) -> RemoteLauncher:
    endpoint = server.endpoint
    return RemoteLauncher(LaunchOptions(url=f"{endpoint.host}:{endpoint.http_port},{endpoint.grpc_port}"))


@pytest.fixture
def control(server: RunningServer) -> ControlClient:
    return ControlClient(server.endpoint.host, server.endpoint.http_port)


def ready(control: ControlClient) -> set[str]:
    return {entry["name"] for entry in control.index() if entry.get("state") == "READY"}


def test_an_ensembles_steps_are_loaded_with_their_configs_and_unloaded_again(
    launcher: RemoteLauncher, control: ControlClient, tmp_path: Path
) -> None:
    staged = write_pipeline(tmp_path / "staged", second=16)
    with launcher.launch(staged, "both", tmp_path / "log", ["first", "second"]):
        assert ready(control) == {"first", "second", "both"}
        assert control.model_config("second")["max_batch_size"] == 16
    assert ready(control) == {"first"}


@pytest.mark.parametrize("server", ["both"], indirect=True)
def test_an_ensemble_of_someone_else_is_served_again_afterwards(
    launcher: RemoteLauncher, control: ControlClient, tmp_path: Path
) -> None:
    """Triton 2.51 unloads an ensemble with its step, and loads it again with it."""
    with launcher.launch(write_pipeline(tmp_path / "staged"), "first", tmp_path / "log"):
        pass
    assert ready(control) == {"first", "second", "both"}


def test_connections_from_before_are_answered_during_a_load(
    launcher: RemoteLauncher, server: RunningServer, repository: Path, tmp_path: Path
) -> None:
    """Triton 2.51 serves each HTTP connection in one of 8 threads; a load over HTTP keeps its thread until it ends."""
    endpoint = server.endpoint
    connections = [http.client.HTTPConnection(endpoint.host, endpoint.http_port) for _ in range(16)]

    def ask_all() -> float:
        """Seconds of the slowest answer."""
        slowest_s = 0.0
        for connection in connections:
            asked = time.monotonic()
            connection.request("GET", "/v2/health/live")
            connection.getresponse().read()
            slowest_s = max(slowest_s, time.monotonic() - asked)
        return slowest_s

    ask_all()
    loaded = threading.Event()

    def load() -> None:
        with launcher.launch(repository, "slow", tmp_path / "log"):
            loaded.set()

    thread = threading.Thread(target=load)
    thread.start()
    rounds_s = []
    while not loaded.is_set() and thread.is_alive():
        rounds_s.append(ask_all())
    thread.join()
    for connection in connections:
        with closing(connection):
            pass
    assert len(rounds_s) > 3
    assert max(rounds_s) < 1.0


def test_the_default_batch_size_of_a_running_server_is_found_and_is_what_trials_start_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Triton 2.51 does not say its arguments; what it makes of a config without a batch size does."""
    write_onnx(tmp_path / "models", "plain", None)
    space = tmp_path / "space.yaml"
    space.write_text("parameters:\n  instance_count: [2]\n")
    options = LaunchOptions(start_timeout_s=60, triton_args=("--backend-config=default-max-batch-size=6",))
    with EmbeddedLauncher(options).launch(tmp_path / "models", "plain", tmp_path / "theirs.log") as host:
        endpoint = host.endpoint
        where = ["--model-repository", str(tmp_path / "models"), "--results", str(tmp_path / "results")]
        there = ["--launch", "remote", "--url", f"{endpoint.host}:{endpoint.http_port},{endpoint.grpc_port}"]
        load = ["--objective", "latency", "--rate", "200", "--window", "50ms", "--warm-up", "50ms"]
        how = ["--search-space", str(space), "--sampler", "grid", "--final-rounds", "0", "--json"]
        assert main(["run", *where, *there, *load, *how]) == 0
        assert host.model_config()["max_batch_size"] == 6  # served again as before
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert [ModelConfig.parse(each["config"], "trial").max_batch_size for each in trials] == [6, 6]
