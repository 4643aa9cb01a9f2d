"""What a run says of a field that its space leaves out."""

from pathlib import Path

import pytest
from tiny_models import onnx_config, write_double, write_model, write_onnx

from autotune.repository import ModelRepository, ModelSpec, RequestShapes
from autotune.space import SearchSpace, advice, shape_advice

_OPEN = onnx_config().replace("kind: KIND_CPU", "")
_THREADS = "parameters { key: 'intra_op_thread_count' value: { string_value: '1' } }"


def _onnx(tmp_path: Path, config: str) -> ModelSpec:
    write_onnx(tmp_path, "negate", config)
    return ModelRepository(tmp_path).model("negate")


def _space(tmp_path: Path, parameters: str = "instance_count: [1, 2]", fields: str = "") -> SearchSpace:
    path = tmp_path / "space.yaml"
    path.write_text(f"parameters: {{{parameters}}}\n{fields}")
    return SearchSpace.load(path)


def test_an_onnx_model_on_cpus_may_gain_by_fewer_threads(tmp_path: Path) -> None:
    (note,) = advice(_onnx(tmp_path, _OPEN), _space(tmp_path), only_cpus=True)
    assert note.startswith("negate: ")
    assert "--search-space" in note
    assert "parameters.intra_op_thread_count" in note


def test_a_model_that_asks_for_cpus_is_on_cpus_wherever_it_runs(tmp_path: Path) -> None:
    assert advice(_onnx(tmp_path, onnx_config()), _space(tmp_path), only_cpus=False)


def test_a_model_without_a_config_is_known_by_its_file(tmp_path: Path) -> None:
    write_onnx(tmp_path, "bare", None)
    assert advice(ModelRepository(tmp_path).model("bare"), _space(tmp_path), only_cpus=True)


def test_the_space_decides_on_the_kind_and_whether_there_are_several(tmp_path: Path) -> None:
    model = _onnx(tmp_path, onnx_config())
    on_cpus, on_gpus, single = (
        _space(tmp_path, parameters)
        for parameters in (
            "instance_count: [2], instance_kind: KIND_CPU",
            "instance_count: [2], instance_kind: KIND_GPU",
            "max_batch_size: [1, 2]",
        )
    )
    assert advice(model, on_cpus, only_cpus=False)
    assert advice(model, on_gpus, only_cpus=False) == ()
    assert advice(model, single, only_cpus=True) == ()


@pytest.mark.parametrize("config", [_OPEN + _THREADS, onnx_config() + _THREADS])
def test_nothing_is_said_where_the_config_decides(tmp_path: Path, config: str) -> None:
    assert advice(_onnx(tmp_path, config), _space(tmp_path), only_cpus=True) == ()


def test_nothing_is_said_where_it_is_searched(tmp_path: Path) -> None:
    space = _space(tmp_path, fields="fields: {parameters.intra_op_thread_count: [1, 2]}\n")
    assert advice(_onnx(tmp_path, _OPEN), space, only_cpus=True) == ()


def test_nothing_is_said_where_a_gpu_may_serve_it_or_another_backend_does(tmp_path: Path) -> None:
    assert advice(_onnx(tmp_path, _OPEN), _space(tmp_path), only_cpus=False) == ()
    write_double(tmp_path)
    assert advice(ModelRepository(tmp_path).model("double"), _space(tmp_path), only_cpus=True) == ()


_READER = """
backend: "python"
max_batch_size: 16
input { name: "tokens" data_type: TYPE_INT32 dims: [ -1 ] }
output { name: "size" data_type: TYPE_INT32 dims: [ 1 ] }
"""
_LENGTHS = RequestShapes({"tokens": (1, length)} for length in range(3, 19))


def _reader(tmp_path: Path) -> ModelSpec:
    write_model(tmp_path, "reader", _READER, "")
    return ModelRepository(tmp_path).model("reader")


def test_requests_of_several_lengths_are_not_batched_together(tmp_path: Path) -> None:
    (note,) = shape_advice(_reader(tmp_path), _space(tmp_path, "dynamic_batching: [false, true]"), _LENGTHS)
    assert note.startswith("reader: consecutive requests differ in the shape of input 'tokens'")
    assert "a batch holds about 1 request at most" in note
    assert "set input[0].allow_ragged_batch to true" in note


def test_a_space_that_searches_ragged_batches_needs_no_remedy(tmp_path: Path) -> None:
    space = _space(tmp_path, "dynamic_batching: [true]", "fields: {'input[0].allow_ragged_batch': [false, true]}")
    (note,) = shape_advice(_reader(tmp_path), space, _LENGTHS)
    assert note.endswith("input[0].allow_ragged_batch is searched, which may lift that.")


def test_requests_that_are_never_batched_are_not_worth_a_note(tmp_path: Path) -> None:
    model = _reader(tmp_path)
    assert not shape_advice(model, _space(tmp_path, "dynamic_batching: [false]"), _LENGTHS)
    assert not shape_advice(model, _space(tmp_path, "dynamic_batching: [true]"), RequestShapes(_LENGTHS.requests[:1]))
    assert not shape_advice(model, _space(tmp_path, "dynamic_batching: [true]"), RequestShapes())
