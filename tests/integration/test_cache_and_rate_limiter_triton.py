"""What is not the model's doing, on the embedded Triton: answers from the cache, waiting for the rate limiter."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_models import write_double, write_model

from autotune.load import ClosedLoop, Traffic, generator_for, make_payloads
from autotune.measurement import LimitKind, Probe, Serving, run_probe
from autotune.measurement._limit import limited_by
from autotune.server import EmbeddedLauncher, LaunchOptions
from autotune.server._readiness import ReadyServer

SLEEPS = """
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.005)
        return [
            pb_utils.InferenceResponse(
                [pb_utils.Tensor("output", pb_utils.get_input_tensor_by_name(request, "input").as_numpy())]
            )
            for request in requests
        ]
"""
LIMITED = """
backend: "python"
max_batch_size: 1
input { name: "input" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "output" data_type: TYPE_FP32 dims: [ 4 ] }
instance_group { count: 2 kind: KIND_CPU rate_limiter { resources { name: "R" count: 1 } } }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadyServer]:
    """A Triton with a cache and one resource that two instances share."""
    repository = tmp_path_factory.mktemp("models")
    write_double(repository, "cached", "max_batch_size: 8 response_cache { enable: true }")
    write_model(repository, "limited", LIMITED, SLEEPS)
    arguments = ("--cache-config=local,size=1048576", "--rate-limit=execution_count")
    log_path: Path = tmp_path_factory.mktemp("logs") / "server.log"
    with EmbeddedLauncher(LaunchOptions(triton_args=arguments)).launch(repository, "cached", log_path) as running:
        assert isinstance(running, ReadyServer)
        running.control.load("limited")
        yield replace(running, processes=None)


def offered(server: ReadyServer, concurrency: int) -> Probe:
    traffic = Traffic()
    payloads = make_payloads(server.model, server.model_metadata(), server.model_config(), traffic)
    generator = generator_for(traffic, server.endpoint, payloads)
    try:
        return run_probe(server, generator, ClosedLoop(concurrency), purpose="load", duration_s=0.4, timeout_s=5.0)
    finally:
        generator.close()


def test_the_wheels_cache_is_found_and_its_answers_are_counted(server: ReadyServer) -> None:
    """Triton 2.51: hits count as successful requests, with a queue time, and without an execution."""
    assert Serving.of(server).cached
    probe = offered(server, 2)
    assert probe.errors == {}
    assert probe.server.cache_miss_count <= 2
    assert probe.server.cached_fraction > 0.95
    assert sum(probe.server.batch_executions.values()) <= 2


def test_instances_that_wait_for_the_rate_limiter_are_idle_though_requests_wait(server: ReadyServer) -> None:
    limited = replace(server, model="limited")
    assert Serving.of(limited).rate_limited
    probe = offered(limited, 6)
    limit = limited_by([probe], probe, Serving.of(limited).instances, serving=Serving.of(limited))
    assert limit is not None
    assert (limit.kind, limit.rate_limited, limit.instances) == (LimitKind.QUEUE, True, 2)
    assert limit.busy < 0.65  # of two instances, one at a time
    assert limit.queue_s > 0.01
