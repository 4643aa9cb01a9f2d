"""What a real Triton used is what its processes say, its Python backend's among them."""

import time

import psutil
import pytest
import tritonclient.http
from launch_suite import infer
from tiny_models import write_model

from autotune.environment import MachineLoad
from autotune.server import EmbeddedLauncher, LaunchOptions

_CONFIG = """
backend: "python"
input { name: "input" data_type: TYPE_FP32 dims: [ 2, 4 ] }
output { name: "output" data_type: TYPE_FP32 dims: [ 2, 4 ] }
instance_group { count: 1 kind: KIND_CPU }
"""
_BURNS = """
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.kept = bytearray(b"x") * (64 << 20)

    def execute(self, requests):
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        tensors = [pb_utils.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor("output", tensor)]) for tensor in tensors]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A model that burns 0.1 s of CPU a request and keeps 64 MiB."""
    directory = tmp_path_factory.mktemp("models")
    write_model(directory, "burns", _CONFIG, _BURNS)
    with EmbeddedLauncher(LaunchOptions(start_timeout_s=30)).launch(directory, "burns", directory / "log") as server:
        yield server


def _stub():
    (stub,) = [each for each in psutil.Process().children(recursive=True) if "stub" in each.name()]
    return stub


def test_cpu_of_the_python_backend_is_counted(server):
    before, machine = server.usage(), MachineLoad.now()
    for _ in range(5):
        infer(tritonclient.http, server.endpoint, "burns")
    used, use = server.usage(), MachineLoad.now() - machine
    assert 0.4 < used.cpu_since(before) < 1.5
    assert use.busy_s > 0.3


def test_memory_of_the_python_backend_is_counted_once(server):
    used = server.usage()
    processes = [each for each in psutil.Process().children(recursive=True) if "triton" in each.name()]
    assert 64 << 20 < used.memory_bytes < sum(each.memory_info().rss for each in processes)


def test_asking_is_cheap(server):
    costs = []
    for _ in range(20):
        started = time.process_time()
        server.usage()
        costs.append(time.process_time() - started)
    assert min(costs) < 0.005


def test_work_of_a_process_that_died_stays_counted(server):
    infer(tritonclient.http, server.endpoint, "burns")
    before, stub = server.usage(), _stub()
    stub.kill()
    with pytest.raises(tritonclient.http.InferenceServerException, match="not healthy"):
        infer(tritonclient.http, server.endpoint, "burns")
    assert server.usage().cpu_s >= before.cpu_s
    assert server.usage().memory_bytes < before.memory_bytes - (64 << 20)
