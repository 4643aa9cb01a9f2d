import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from autotune.errors import UsageError
from autotune.repository import TensorSpec
from autotune.repository._onnx import read_onnx

BATCH = ["batch", 4]


def save(path, inputs, outputs, initializers=(), **options):
    graph = helper.make_graph([], "g", inputs, outputs, initializer=list(initializers))
    model = helper.make_model(graph)
    onnx.save(model, path, **options)
    return path


def tensor(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def test_names_types_and_shapes_are_read(tmp_path):
    path = save(
        tmp_path / "model.onnx",
        [tensor("a", ["n", 3, None]), tensor("s", ["n"], TensorProto.STRING)],
        [tensor("y", ["n", 2], TensorProto.INT64), tensor("b", ["n", 1], TensorProto.BOOL)],
    )
    signature = read_onnx(path)
    assert signature.inputs == (TensorSpec("a", "FP32", (-1, 3, -1)), TensorSpec("s", "BYTES", (-1,)))
    assert signature.outputs == (TensorSpec("y", "INT64", (-1, 2)), TensorSpec("b", "BOOL", (-1, 1)))
    assert signature.dynamic_batch


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        ([tensor("x", [1, 4])], [tensor("y", BATCH)]),
        ([tensor("x", BATCH), tensor("z", [2])], [tensor("y", BATCH)]),
        ([tensor("x", BATCH)], [tensor("y", [1, 4])]),
        ([tensor("x", BATCH)], [tensor("y", [])]),
    ],
)
def test_one_fixed_first_dimension_makes_the_batch_fixed(tmp_path, inputs, outputs):
    assert not read_onnx(save(tmp_path / "model.onnx", inputs, outputs)).dynamic_batch


def test_initializers_listed_as_inputs_are_left_out(tmp_path):
    weight = numpy_helper.from_array(__import__("numpy").zeros((4, 4), "float32"), "w")
    path = save(tmp_path / "m.onnx", [tensor("x", BATCH), tensor("w", [4, 4])], [tensor("y", BATCH)], [weight])
    assert [each.name for each in read_onnx(path).inputs] == ["x"]


def test_external_weights_may_be_missing(tmp_path):
    weight = numpy_helper.from_array(__import__("numpy").zeros((64, 64), "float32"), "w")
    path = save(
        tmp_path / "m.onnx", [tensor("x", BATCH)], [tensor("y", BATCH)], [weight],
        save_as_external_data=True, size_threshold=0, location="weights.bin",
    )  # fmt: skip
    (tmp_path / "weights.bin").unlink()
    assert read_onnx(path).inputs == (TensorSpec("x", "FP32", (-1, 4)),)


@pytest.mark.parametrize("content", [b"", b"not an onnx file at all", b"\x08\x07", b"\x3a\xff\xff\xff\xff\x0f"])
def test_a_file_that_is_no_onnx_model_is_named(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"model\.onnx: is not an ONNX model"):
        read_onnx(path)


def test_a_truncated_model_is_named(tmp_path):
    path = save(tmp_path / "model.onnx", [tensor("x", BATCH)], [tensor("y", BATCH)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match="is not an ONNX model"):
        read_onnx(path)


@pytest.mark.parametrize("kind", ["sequence", "map", "optional"])
def test_an_output_that_is_no_tensor_is_refused_with_the_remedy(tmp_path, kind):
    # Triton's native backend refuses such a file at load, even if the config leaves the output out
    # (onnxruntime_backend r24.10, `OutputInfos`). Classifiers of skl2onnx have one unless zipmap is off.
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    maps = helper.make_map_type_proto(TensorProto.INT64, number)
    types = {
        "sequence": helper.make_sequence_type_proto(maps),
        "map": maps,
        "optional": helper.make_optional_type_proto(number),
    }
    output = helper.make_value_info("output_probability", types[kind])
    path = save(tmp_path / "model.onnx", [tensor("x", BATCH)], [tensor("y", BATCH), output])
    with pytest.raises(UsageError, match=rf"model\.onnx: 'output_probability' is of type {kind}.*zipmap"):
        read_onnx(path)


def test_versions_are_read_of_onnxs_own_operators(tmp_path):
    graph = helper.make_graph([], "g", [tensor("x", BATCH)], [tensor("y", BATCH)])
    imports = [helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=imports), tmp_path / "m.onnx")
    signature = read_onnx(tmp_path / "m.onnx")
    assert (signature.ir_version, signature.opset) == (8, 17)
