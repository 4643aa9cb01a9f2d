"""The times of the sleeping accelerator, on a simulated clock; Triton's own part is replaced."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

MODEL = Path(__file__).resolve().parents[2] / "model_repository" / "accelerator" / "1" / "model.py"


class Clock:
    """Stands in for the module ``time``: it moves on by what is slept, and by a microsecond each time it is read."""

    def __init__(self):
        self.now_ns = 0
        self.slept_s = []

    def monotonic_ns(self):
        self.now_ns += 1000
        return self.now_ns

    def sleep(self, seconds):
        self.slept_s.append(seconds)
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def accelerator(monkeypatch, clock, tmp_path):
    """The model's module, with stand-ins for the clock, /dev/shm and the module that only Triton's stub has."""
    backend = ModuleType("triton_python_backend_utils")
    backend.get_input_tensor_by_name = lambda request, name: request[name]
    backend.Tensor = lambda name, values: SimpleNamespace(name=name, values=values)
    backend.InferenceResponse = lambda tensors: SimpleNamespace(tensors=tensors)
    backend.TritonModelException = type("TritonModelException", (Exception,), {})
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", backend)
    spec = importlib.util.spec_from_file_location("accelerator_model", MODEL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.time = clock
    module.Path = lambda path: tmp_path if path == "/dev/shm" else Path(path)  # noqa: S108
    return module


@pytest.fixture
def instance(accelerator):
    """Makes loaded instances of the model and unloads them again."""
    made = []

    def make(max_batch_size=64, name="accelerator", **parameters):
        model = accelerator.TritonPythonModel()
        config = {
            "name": name,
            "max_batch_size": max_batch_size,
            "parameters": {key: {"string_value": value} for key, value in parameters.items()},
        }
        model.initialize({"model_config": json.dumps(config)})
        made.append(model)
        return model

    yield make
    for model in made:
        model.finalize()


def request(items=1):
    values = np.arange(items * 16, dtype=np.float32).reshape(items, 16)
    return {"input": SimpleNamespace(as_numpy=lambda: values)}


@pytest.fixture
def seconds(clock):
    """Executes a batch that comes at the time ``at_ms``, and returns how long that takes."""

    def execute(model, *requests, at_ms=0):
        begun_ns = clock.now_ns = round(at_ms * 1e6)
        model.execute(list(requests))
        return (clock.now_ns - begun_ns) / 1e9

    return execute


def takes(expected_s):
    """That long, give or take the microseconds that reading the clock takes."""
    return pytest.approx(expected_s, abs=100e-6)


def test_every_request_gets_twice_its_input(instance):
    responses = instance().execute([request(1), request(3)])
    assert [response.tensors[0].name for response in responses] == ["output", "output"]
    np.testing.assert_array_equal(responses[1].tensors[0].values, request(3)["input"].as_numpy() * 2)


@pytest.mark.parametrize("items", [1, 8, 64])
def test_a_batch_takes_host_plus_fixed_plus_per_item_time(instance, seconds, items):
    model = instance(host_ms="0.5", device_fixed_ms="2", device_per_item_ms="0.1")
    assert seconds(model, request(items)) == takes(0.0025 + items * 0.0001)


def test_items_are_counted_over_all_requests_of_a_batch(instance, seconds):
    model = instance(host_ms="0", device_fixed_ms="0", device_per_item_ms="2")
    assert seconds(model, request(1), request(2), request(3)) == takes(0.012)


def test_without_batching_a_request_is_one_item_whatever_its_shape(instance, seconds):
    model = instance(max_batch_size=0, host_ms="0", device_fixed_ms="0", device_per_item_ms="5")
    assert seconds(model, request(4)) == takes(0.005)


def test_timings_left_out_are_the_documented_ones(instance, seconds):
    assert seconds(instance(), request()) == takes(0.0026)


def test_instances_take_turns_on_the_device_and_overlap_their_host_parts(instance, seconds):
    times = {"host_ms": "20", "device_fixed_ms": "30", "device_per_item_ms": "0"}
    first, second = instance(**times), instance(**times)
    assert seconds(first, request()) == takes(0.050)  # 20 + 30
    assert seconds(second, request()) == takes(0.080)  # 20 + 30 + 30: the host parts ran side by side
    assert seconds(first, request(), at_ms=100) == takes(0.050)  # the device was idle again


def test_servers_beside_each_other_have_a_device_each(instance, seconds, monkeypatch):
    times = {"host_ms": "0", "device_fixed_ms": "40", "device_per_item_ms": "0"}
    ours = instance(**times)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getppid", os.getpid)
        theirs = instance(**times)
    assert seconds(ours, request()) == takes(0.040)
    assert seconds(theirs, request()) == takes(0.040)


def test_sleep_wakes_up_before_the_deadline_and_waits_for_the_rest(accelerator, clock):
    accelerator.sleep_until(5_000_000)
    assert sum(clock.slept_s) < 0.005
    assert 5_000_000 <= clock.now_ns <= 5_001_000


def test_the_device_files_of_dead_servers_are_removed_and_those_of_live_ones_kept(accelerator, tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    scope = "triton-accelerator.0.1"
    gone = tmp_path / f"{scope}.{dead.pid}.123.accelerator"
    reused = tmp_path / f"{scope}.{os.getpid()}.1.accelerator"  # our pid, another process's start
    live = tmp_path / f"{scope}.{os.getpid()}.{accelerator.process_start(os.getpid())}.accelerator"
    other_container = tmp_path / f"triton-accelerator.0.2.{dead.pid}.123.accelerator"
    for path in (gone, reused, live, other_container):
        path.touch()
    accelerator.Device._remove_leftovers(tmp_path, scope)
    assert set(tmp_path.iterdir()) == {live, other_container}


@pytest.mark.parametrize(("items", "expected_s"), [(1, 0.002), (6, 0.003), (11, 0.004), (12, 0.009), (64, 0.009)])
def test_a_device_whose_time_jumps_is_given_by_batch_sizes(instance, seconds, items, expected_s):
    assert seconds(instance(host_ms="0", device_curve_ms="1:2, 11:4, 12:9"), request(items)) == takes(expected_s)


@pytest.mark.parametrize("text", ["fast", "1:", "1:-2", "0:3", "1:nan"])
def test_a_curve_that_cannot_be_read_is_refused_by_name(instance, accelerator, text):
    with pytest.raises(accelerator.pb_utils.TritonModelException, match="device_curve_ms is"):
        instance(device_curve_ms=text)


@pytest.mark.parametrize("text", ["fast", "-1", "nan", "inf", ""])
def test_a_timing_that_is_no_duration_is_refused_by_name(instance, accelerator, text):
    with pytest.raises(accelerator.pb_utils.TritonModelException, match="device_fixed_ms is"):
        instance(device_fixed_ms=text)
