"""Requests of several items show how long an execution of each size takes, in two windows."""

from pathlib import Path

import pytest

from autotune.load import Traffic
from autotune.measurement import Deployment, MeasureOptions
from autotune.measurement._prober import Prober
from autotune.measurement._sizes import sweep_sizes
from autotune.objective import Ceiling, Objective
from autotune.prediction import Window, service_times
from autotune.repository import ConfigSet, ModelRepository
from autotune.server import EmbeddedLauncher

MODEL = """
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        items = sum(len(each) for each in inputs)
        time.sleep((0.002 + 0.0001 * items) * (2 if items > 20 else 1))
        return [pb_utils.InferenceResponse([pb_utils.Tensor("y", each)]) for each in inputs]
"""
CONFIG = """
backend: "python" max_batch_size: 32 dynamic_batching { } instance_group { count: 1 kind: KIND_CPU }
input { name: "x" data_type: TYPE_FP32 dims: [ 2 ] } output { name: "y" data_type: TYPE_FP32 dims: [ 2 ] }
"""


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_cliff_of_the_device_is_known_after_one_server(tmp_path: Path, protocol: str) -> None:
    (tmp_path / "models" / "cliff" / "1").mkdir(parents=True)
    (tmp_path / "models" / "cliff" / "1" / "model.py").write_text(MODEL)
    (tmp_path / "models" / "cliff" / "config.pbtxt").write_text(CONFIG)
    spec = ModelRepository(tmp_path / "models").model("cliff")
    deployment = Deployment(spec, EmbeddedLauncher(), tmp_path, Traffic(protocol=protocol))
    objective = Objective("throughput", (Ceiling("p99", 0.5),))
    with deployment.serve(ConfigSet.of(spec.config), tmp_path / "log") as served:
        assert served.sized is not None
        prober = Prober(served.server, served.generator, objective, MeasureOptions.of(0.2))
        prober.closed_loop("screen", 1, 0.2)
        sweep_sizes(prober, served.sized)
    windows = [Window(1, probe) for probe in prober.probes]
    assert {20, 21} <= {size for each in windows for size in each.probe.server.batch_executions}
    found = service_times(windows, 32)
    assert found is not None
    alone_s = found.host_s + found.device_s
    assert alone_s[20] > 1.5 * alone_s[19]
    assert alone_s[19] < 1.5 * alone_s[15]


def test_a_slow_model_is_asked_for_several_sizes_in_the_time_of_a_few_requests(tmp_path: Path) -> None:
    (tmp_path / "models" / "slow" / "1").mkdir(parents=True)
    (tmp_path / "models" / "slow" / "1" / "model.py").write_text(MODEL.replace("0.002", "0.05"))
    (tmp_path / "models" / "slow" / "config.pbtxt").write_text(CONFIG)
    spec = ModelRepository(tmp_path / "models").model("slow")
    deployment = Deployment(spec, EmbeddedLauncher(), tmp_path, Traffic())
    objective = Objective("throughput", (Ceiling("p99", 0.5),))
    with deployment.serve(ConfigSet.of(spec.config), tmp_path / "log") as served:
        assert served.sized is not None
        prober = Prober(served.server, served.generator, objective, MeasureOptions.of(0.2))
        prober.closed_loop("screen", 1, 0.2)
        sweep_sizes(prober, served.sized, rough=True)
    assert {2, 4, 8, 16} <= set(prober.probes[-1].server.batch_executions)
    assert prober.probes[-1].duration_s < 0.6
