"""The sleeping accelerator keeps the times its parameters promise; Triton's own part is faked away."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

MODEL = Path(__file__).resolve().parents[2] / "model_repository" / "accelerator" / "1" / "model.py"


@pytest.fixture
def accelerator(monkeypatch):
    """The model's module, with a stand-in for the module that only Triton's stub has."""
    backend = ModuleType("triton_python_backend_utils")
    backend.get_input_tensor_by_name = lambda request, name: request[name]
    backend.Tensor = lambda name, values: SimpleNamespace(name=name, values=values)
    backend.InferenceResponse = lambda tensors: SimpleNamespace(tensors=tensors)
    backend.TritonModelException = type("TritonModelException", (Exception,), {})
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", backend)
    spec = importlib.util.spec_from_file_location("accelerator_model", MODEL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
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


def seconds(model, *requests):
    begun = time.perf_counter()
    model.execute(list(requests))
    return time.perf_counter() - begun


def test_every_request_gets_twice_its_input(instance):
    responses = instance().execute([request(1), request(3)])
    assert [response.tensors[0].name for response in responses] == ["output", "output"]
    np.testing.assert_array_equal(responses[1].tensors[0].values, request(3)["input"].as_numpy() * 2)


@pytest.mark.parametrize("items", [1, 8, 64])
def test_a_batch_takes_host_plus_fixed_plus_per_item_time(instance, items):
    model = instance(host_ms="0.5", device_fixed_ms="2", device_per_item_ms="0.1")
    took_s = np.median([seconds(model, request(items)) for _ in range(15)])
    expected_s = 0.0025 + items * 0.0001
    assert expected_s <= took_s < expected_s + 0.001


def test_items_are_counted_over_all_requests_of_a_batch(instance):
    model = instance(host_ms="0", device_fixed_ms="0", device_per_item_ms="2")
    assert 0.012 <= seconds(model, request(1), request(2), request(3)) < 0.018


def test_without_batching_a_request_is_one_item_whatever_its_shape(instance):
    model = instance(max_batch_size=0, host_ms="0", device_fixed_ms="0", device_per_item_ms="5")
    assert 0.005 <= seconds(model, request(4)) < 0.012


def test_timings_left_out_are_the_documented_ones(instance):
    assert 0.0026 <= seconds(instance(), request()) < 0.02


def test_instances_take_turns_on_the_device_and_overlap_their_host_parts(instance):
    times = {"host_ms": "20", "device_fixed_ms": "30", "device_per_item_ms": "0"}
    instances = [instance(**times), instance(**times)]
    with ThreadPoolExecutor(2) as pool:
        took_s = sorted(pool.map(lambda model: seconds(model, request()), instances))
    assert 0.050 <= took_s[0] < 0.065  # 20 + 30
    assert 0.075 <= took_s[1] < 0.095  # 20 + 30 + 30: the host parts ran side by side


def test_servers_beside_each_other_have_a_device_each(instance, monkeypatch):
    times = {"host_ms": "0", "device_fixed_ms": "40", "device_per_item_ms": "0"}
    ours = instance(**times)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getppid", os.getpid)
        theirs = instance(**times)
    with ThreadPoolExecutor(2) as pool:
        took_s = list(pool.map(lambda model: seconds(model, request()), [ours, theirs]))
    assert max(took_s) < 0.060


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


@pytest.mark.parametrize("text", ["fast", "-1", "nan", "inf", ""])
def test_a_timing_that_is_no_duration_is_refused_by_name(instance, accelerator, text):
    with pytest.raises(accelerator.pb_utils.TritonModelException, match="device_fixed_ms is"):
        instance(device_fixed_ms=text)
