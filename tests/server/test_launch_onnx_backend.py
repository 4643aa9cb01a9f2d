"""The Python-based ``onnxruntime`` backend serves what the native one would, on a real Triton."""

import concurrent.futures
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http
from numpy.typing import NDArray
from tiny_models import onnx_config, write_model, write_onnx
from tritonclient.utils import InferenceServerException

from autotune.load import WrongAnswers
from autotune.measurement import Deployment
from autotune.repository import ConfigSet, ModelConfig, ModelRepository, ModelSpec, completed_config, stage
from autotune.server import EmbeddedLauncher, LaunchOptions, LoadFailed, RunningServer

DTYPES = [
    ("BOOL", "BOOL", np.bool_),
    ("UINT8", "UINT8", np.uint8),
    ("UINT16", "UINT16", np.uint16),
    ("UINT32", "UINT32", np.uint32),
    ("UINT64", "UINT64", np.uint64),
    ("INT8", "INT8", np.int8),
    ("INT16", "INT16", np.int16),
    ("INT32", "INT32", np.int32),
    ("INT64", "INT64", np.int64),
    ("FLOAT16", "FP16", np.float16),
    ("FLOAT", "FP32", np.float32),
    ("DOUBLE", "FP64", np.float64),
    ("STRING", "BYTES", np.object_),
]


@contextmanager
def serving(repository: Path, model: str) -> Iterator[RunningServer]:
    with EmbeddedLauncher(LaunchOptions(start_timeout_s=30)).launch(repository, model, repository / "log") as server:
        yield server


def ask(
    server: RunningServer, model: str, inputs: dict[str, tuple[str, NDArray[np.generic]]], outputs: list[str]
) -> dict[str, NDArray[np.generic]]:
    address = f"{server.endpoint.host}:{server.endpoint.http_port}"
    with tritonclient.http.InferenceServerClient(address) as client:
        tensors = []
        for name, (datatype, data) in inputs.items():
            tensor = tritonclient.http.InferInput(name, data.shape, datatype)
            tensor.set_data_from_numpy(data)
            tensors.append(tensor)
        wanted = [tritonclient.http.InferRequestedOutput(name) for name in outputs]
        answer = client.infer(model, tensors, outputs=wanted)
        return {name: answer.as_numpy(name) for name in outputs}


def test_every_shared_datatype_passes_through(tmp_path: Path) -> None:
    """One model with an input and an output of each datatype."""
    import onnx
    from onnx import TensorProto, helper

    path = write_model(tmp_path, "types", None)
    nodes, inputs, outputs = [], [], []
    for element, _, _ in DTYPES:
        kind = getattr(TensorProto, element)
        nodes.append(helper.make_node("Identity", [f"in_{element}"], [f"out_{element}"]))
        inputs.append(helper.make_tensor_value_info(f"in_{element}", kind, ["batch", 2]))
        outputs.append(helper.make_tensor_value_info(f"out_{element}", kind, ["batch", 2]))
    graph = helper.make_graph(nodes, "types", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path / "1" / "model.onnx")

    text = np.array([["plain", "naïve ✓"], ["", "a\x00b"]], dtype=object)
    sent = {
        f"in_{element}": (triton, text if dtype is np.object_ else np.array([[0, 1], [1, 0]], dtype=dtype))
        for element, triton, dtype in DTYPES
    }
    with serving(tmp_path, "types") as server:
        got = ask(server, "types", sent, [f"out_{element}" for element, _, _ in DTYPES])
    for element, _, dtype in DTYPES:
        expected = sent[f"in_{element}"][1]
        if dtype is np.object_:
            expected = np.array([[each.encode() for each in row] for row in text], dtype=object)
        np.testing.assert_array_equal(got[f"out_{element}"], expected, strict=True)


def test_concurrent_requests_run_as_one_batch_and_get_their_own_rows(tmp_path: Path) -> None:
    write_onnx(
        tmp_path,
        "negate",
        onnx_config("max_batch_size: 32 dynamic_batching { max_queue_delay_microseconds: 200000 }"),
        operator="Neg",
    )
    # Requests of different sizes, so that a wrong split would show.
    requests = [np.full((1 + i % 3, 4), i, dtype=np.float32) for i in range(16)]
    with serving(tmp_path, "negate") as server, concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda data: ask(server, "negate", {"input": ("FP32", data)}, ["output"])["output"], requests)
        )
        statistics = server.statistics()
    for data, answer in zip(requests, answers, strict=True):
        np.testing.assert_array_equal(answer, -data, strict=True)
    assert statistics.execution_count < statistics.success_count


def test_outputs_that_no_one_asked_for_are_left_out(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    path = write_model(tmp_path, "two", None)
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 4]) for name in ("input", "a", "b")]
    nodes = [helper.make_node("Neg", ["input"], ["a"]), helper.make_node("Abs", ["input"], ["b"])]
    graph = helper.make_graph(nodes, "two", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path / "1" / "model.onnx")
    data = np.array([[-1, 2, -3, 4]], dtype=np.float32)
    with serving(tmp_path, "two") as server, concurrent.futures.ThreadPoolExecutor(8) as pool:
        for name, expected in (("a", -data), ("b", abs(data))):
            answer = ask(server, "two", {"input": ("FP32", data)}, [name])
            np.testing.assert_array_equal(answer[name], expected)
        wanted = [["a"], ["b"], ["a", "b"], ["b"]] * 4  # one batch may hold requests for different outputs
        answers = pool.map(lambda names: ask(server, "two", {"input": ("FP32", data)}, names), wanted)
        for names, answer in zip(wanted, answers, strict=True):
            for name in names:
                np.testing.assert_array_equal(answer[name], {"a": -data, "b": abs(data)}[name])


def served_config(spec: ModelSpec, config: ModelConfig, directory: Path) -> dict[str, object]:
    directory.mkdir()
    with serving(stage((spec,), ConfigSet.of(config), directory), spec.name) as server:
        return server.model_config()


@pytest.mark.parametrize("config", [None, 'backend: "onnxruntime" max_batch_size: 8'])
def test_batcher_that_a_candidate_switches_off_stays_off(tmp_path: Path, config: str | None) -> None:
    write_onnx(tmp_path / "models", "m", config, operator="Neg")
    spec = ModelRepository(tmp_path / "models").only_model()
    complete = completed_config(spec)
    theirs = served_config(spec, spec.config, tmp_path / "theirs")
    assert "dynamic_batching" in theirs
    assert served_config(spec, complete, tmp_path / "complete") == theirs
    off = served_config(spec, complete.without("dynamic_batching"), tmp_path / "off")
    assert "dynamic_batching" not in off
    assert off == {key: value for key, value in theirs.items() if key != "dynamic_batching"}


def test_model_without_batching_serves_its_fixed_shape(tmp_path: Path) -> None:
    write_onnx(tmp_path, "fixed", onnx_config("max_batch_size: 0", dims="2, 4"), batch=2, operator="Neg")
    data = np.ones((2, 4), dtype=np.float32)
    with serving(tmp_path, "fixed") as server:
        answer = ask(server, "fixed", {"input": ("FP32", data)}, ["output"])
        np.testing.assert_array_equal(answer["output"], -data)


def test_failing_request_is_told_and_the_model_goes_on(tmp_path: Path) -> None:
    # Gather fails at run time for an index out of range.
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    path = write_model(tmp_path, "pick", None)
    table = numpy_helper.from_array(np.arange(3, dtype=np.float32), "table")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["value"])],
        "pick",
        [helper.make_tensor_value_info("index", TensorProto.INT64, ["batch", 1])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, ["batch", 1])],
        [table],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path / "1" / "model.onnx")
    with serving(tmp_path, "pick") as server:
        with pytest.raises(InferenceServerException, match=r"out of data bounds|indices element"):
            ask(server, "pick", {"index": ("INT64", np.array([[7]], dtype=np.int64))}, ["value"])
        answer = ask(server, "pick", {"index": ("INT64", np.array([[2]], dtype=np.int64))}, ["value"])
    np.testing.assert_array_equal(answer["value"], [[2.0]])


def test_native_parameters_and_file_name_are_honoured(tmp_path: Path) -> None:
    extra = """
    max_batch_size: 8
    default_model_filename: "network.onnx"
    optimization { graph { level: 1 } }
    parameters { key: "intra_op_thread_count" value { string_value: "1" } }
    parameters { key: "inter_op_thread_count" value { string_value: "1" } }
    parameters { key: "execution_mode" value { string_value: "1" } }
    parameters { key: "session.intra_op.allow_spinning" value { string_value: "0" } }
    """
    write_onnx(tmp_path, "tuned", onnx_config(extra), operator="Neg", file="network.onnx")
    with serving(tmp_path, "tuned") as server:
        answer = ask(server, "tuned", {"input": ("FP32", np.ones((1, 4), dtype=np.float32))}, ["output"])
        assert answer["output"].tolist() == [[-1, -1, -1, -1]]


@pytest.mark.parametrize(("key", "value"), [("intra_op_thread_count", "many"), ("execution_mode", "2")])
def test_unusable_parameter_is_refused_by_name(tmp_path: Path, key: str, value: str) -> None:
    extra = f'max_batch_size: 8 parameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'
    write_onnx(tmp_path, "tuned", onnx_config(extra))
    with pytest.raises(LoadFailed, match=key), serving(tmp_path, "tuned"):
        pass


def save_onnx(directory: Path, nodes: list, inputs: dict, outputs: dict, initializers: tuple = ()) -> None:
    """A model file of FP32 tensors, given as names to shapes; initializers that are inputs too can be overridden."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    tensors = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in each.items()]
        for each in (inputs, outputs)
    ]
    weights = [numpy_helper.from_array(value, name) for name, value in initializers]
    graph = helper.make_graph(nodes, "g", *tensors, initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, directory / "1" / "model.onnx")


def test_a_batch_whose_output_has_too_few_rows_fails_as_natively(tmp_path: Path) -> None:
    """Triton's native backend splits an output by the requests' rows and fails those that are not there.

    In these words (triton-inference-server/backend r24.10, `BackendOutputResponder::ProcessTensor`). It does not run
    the requests one by one instead, so a model that loses its batch dimension shows at the first batch, whichever
    outputs are asked for.
    """
    from onnx import helper

    config = """
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
    output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }
    output { name: "all" data_type: TYPE_FP32 dims: [ 4 ] }
    """
    path = write_model(tmp_path, "loses", config)
    first = (("start", np.array([0], dtype=np.int64)), ("end", np.array([1], dtype=np.int64)))
    nodes = [helper.make_node("Slice", ["x", "start", "end"], ["y"]), helper.make_node("Neg", ["x"], ["all"])]
    shape = ["batch", 4]
    save_onnx(path, nodes, {"x": shape}, {"y": shape, "all": shape}, first)
    with serving(tmp_path, "loses") as server:
        ask(server, "loses", {"x": ("FP32", np.ones((1, 4), dtype=np.float32))}, ["y"])
        for asked in ("y", "all"):
            with pytest.raises(InferenceServerException, match=r"split the output tensor 'y'.*at least 2 .* got 1"):
                ask(server, "loses", {"x": ("FP32", np.ones((2, 4), dtype=np.float32))}, [asked])


TOTAL = """
platform: "onnxruntime_onnx"
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "sum" data_type: TYPE_FP32 dims: [ 1 ] }
"""


def test_a_config_whose_batches_fail_is_refused_before_any_load(tmp_path: Path) -> None:
    """At a low rate few requests meet in a batch, so a measured rate would not show that batches fail."""
    from onnx import helper

    path = write_model(tmp_path / "models", "total", f"{TOTAL} dynamic_batching {{ }}")
    save_onnx(path, [helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0)], {"x": ["batch", 4]}, {"sum": []})
    spec = ModelRepository(tmp_path / "models").only_model()
    deployment = Deployment(spec, EmbeddedLauncher(LaunchOptions(start_timeout_s=30)), tmp_path)
    words = r"a batch of 2 requests fails though one alone does not: .*at least 2 .* write max_batch_size: 1"
    with (
        deployment.serve(ConfigSet.of(spec.config), tmp_path / "log") as served,
        pytest.raises(WrongAnswers, match=words),
    ):
        served.check_answers()
    for harmless in (spec.config.with_value("max_batch_size", 1), spec.config.without("dynamic_batching")):
        with deployment.serve(ConfigSet.of(harmless), tmp_path / "log") as served:
            assert served.check_answers() == ""


def test_a_scalar_output_is_one_row_of_a_batch_as_natively(tmp_path: Path) -> None:
    """A model that reduces the whole batch answers one row and fails for two, not with mixed rows.

    The native backend takes the config's dims as the shape of a scalar and its first as the batch
    (onnxruntime_backend r24.10, `ReadOutputTensors`).
    """
    from onnx import helper

    path = write_model(tmp_path, "total", TOTAL)
    save_onnx(path, [helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0)], {"x": ["batch", 4]}, {"sum": []})
    with serving(tmp_path, "total") as server:
        assert ask(server, "total", {"x": ("FP32", np.ones((1, 4), dtype=np.float32))}, ["sum"])["sum"].tolist() == [4]
        with pytest.raises(InferenceServerException, match=r"split the output tensor 'sum'.*at least 2 .* got 1"):
            ask(server, "total", {"x": ("FP32", np.ones((2, 4), dtype=np.float32))}, ["sum"])


ADD = 'input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] } output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }'
BIAS = 'input { name: "bias" data_type: TYPE_FP32 dims: [ 4 ] optional: true }'


def write_add(repository: Path, config: str) -> None:
    """``y = x + bias``, where bias is an initializer that a request may override."""
    from onnx import helper

    path = write_model(repository, "add", f'platform: "onnxruntime_onnx" {config}')
    bias = np.array([1, 2, 3, 4], dtype=np.float32)
    shapes = {"x": [4], "bias": [4]}
    save_onnx(path, [helper.make_node("Add", ["x", "bias"], ["y"])], shapes, {"y": [4]}, (("bias", bias),))


def test_an_overridable_initializer_is_an_optional_input(tmp_path: Path) -> None:
    """As in the native backend (onnxruntime_backend r24.10, `ValidateInputs`), for models that do not batch."""
    write_add(tmp_path, f"{ADD} {BIAS}")
    data = np.zeros(4, dtype=np.float32)
    with serving(tmp_path, "add") as server:
        assert ask(server, "add", {"x": ("FP32", data)}, ["y"])["y"].tolist() == [1, 2, 3, 4]
        given = {"x": ("FP32", data), "bias": ("FP32", np.full(4, 7, dtype=np.float32))}
        assert ask(server, "add", given, ["y"])["y"].tolist() == [7, 7, 7, 7]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (f"{ADD} {BIAS.replace('optional: true', '')}", "expects 2 inputs, model provides 1"),
        (ADD.replace("dims: [ 4 ]", "dims: [ -1 ]", 1), "model configuration specifies 1 dimensions"),
        (ADD.replace("dims: [ 4 ] }", "dims: [ 3 ] }", 1), "model configuration specifies 1 dimensions"),
        (ADD.replace("dims: [ 4 ] }", "dims: [ 4 ] allow_ragged_batch: true }", 1), "for ragged input 'x'"),
    ],
)
def test_tensors_that_the_native_backend_refuses_are_refused(tmp_path: Path, config: str, words: str) -> None:
    """A fixed size of the model must be written as it is, not as -1; a ragged input has the shape [-1].

    onnxruntime_backend r24.10, `CompareDimsSupported` and `ValidateInputs`.
    """
    write_add(tmp_path, config)
    with pytest.raises(LoadFailed, match=words), serving(tmp_path, "add"):
        pass


@pytest.mark.parametrize("config", [None, ADD])
def test_an_output_that_is_no_tensor_is_refused_with_and_without_a_config(tmp_path: Path, config: str | None) -> None:
    """A file with the maps of a classifier's ZipMap does not load, even if the config leaves them out.

    In these words (onnxruntime_backend r24.10, `InputOutputInfos`). A run finds it earlier, when it reads the file.
    """
    import onnx
    from onnx import TensorProto, helper

    path = write_model(tmp_path, "flowers", config and f'platform: "onnxruntime_onnx" {config}')
    maps = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    nodes = [
        helper.make_node("Neg", ["x"], ["y"]),
        helper.make_node("ZipMap", ["x"], ["z"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2, 3]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy")
    graph = helper.make_graph(nodes, "flowers", [x], [y, helper.make_value_info("z", maps)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path / "1" / "model.onnx")
    words = r"Unsupported ONNX Type 'ONNX_TYPE_SEQUENCE' for I/O 'z', expected 'ONNX_TYPE_TENSOR'"
    with pytest.raises(LoadFailed, match=words), serving(tmp_path, "flowers"):
        pass


def test_a_size_beside_an_outputs_dynamic_dimension_is_refused(tmp_path: Path) -> None:
    """Outputs are compared exactly; an input's dynamic dimension takes any size (`ValidateOutputs`, r24.10)."""
    from onnx import helper

    config = """
    platform: "onnxruntime_onnx"
    input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
    output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }
    """
    path = write_model(tmp_path, "open", config)
    save_onnx(path, [helper.make_node("Neg", ["x"], ["y"])], {"x": ["n"]}, {"y": ["n"]})
    with pytest.raises(LoadFailed, match=r"'y': the model expects"), serving(tmp_path, "open"):
        pass
