import json

import numpy as np
import pytest

from autotune.errors import UsageError
from autotune.load import Traffic, make_payload, parse_shape
from autotune.load.payload import make_payloads

_SIZES = {
    "BOOL": 1, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8,
    "FP16": 2, "FP32": 4, "FP64": 8, "BF16": 2,
}  # fmt: skip


def _metadata(*inputs):
    return {"name": "m", "inputs": [{"name": n, "datatype": d, "shape": s} for n, d, s in inputs], "outputs": []}


_IMAGE = _metadata(("image", "FP32", [-1, 3, -1, -1]))
_BATCHING = {"max_batch_size": 8}
_PLAIN = {"max_batch_size": 0}


@pytest.mark.parametrize("data", ["random", "zero"])
@pytest.mark.parametrize("datatype", _SIZES)
def test_numeric_tensor_has_the_type_and_the_full_shape(datatype, data):
    payload = make_payload("m", _metadata(("x", datatype, [-1, 4, 5])), _BATCHING, data=data, batch_size=3)
    (tensor,) = payload.inputs
    assert (tensor.name, tensor.datatype, tensor.data.shape) == ("x", datatype, (3, 4, 5))
    assert tensor.data.dtype.itemsize == _SIZES[datatype]
    assert payload.batch_size == 3
    assert np.any(tensor.data) == (data == "random")


def test_bf16_holds_the_upper_half_of_a_float():
    (tensor,) = make_payload("m", _metadata(("x", "BF16", [1000])), _PLAIN).inputs
    values = (tensor.data.astype(np.uint32) << 16).view(np.float32)
    assert 0 <= values.min() < 0.1
    assert 0.9 < values.max() <= 1


def test_bytes_tensor_holds_bytes():
    (tensor,) = make_payload("m", _metadata(("text", "BYTES", [-1, 2])), _BATCHING, batch_size=2).inputs
    assert tensor.data.shape == (2, 2)
    assert {type(element) for element in tensor.data.ravel()} == {bytes}
    assert {len(element) for element in tensor.data.ravel()} == {16}
    (empty,) = make_payload("m", _metadata(("text", "BYTES", [2])), _PLAIN, data="zero").inputs
    assert empty.data.tolist() == [b"", b""]


def test_equal_seeds_give_equal_data():
    first, second, other = (make_payload("m", _metadata(("x", "FP32", [9])), _PLAIN, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.inputs[0].data, second.inputs[0].data)
    assert not np.array_equal(first.inputs[0].data, other.inputs[0].data)


def test_dynamic_dimensions_take_the_given_sizes():
    payload = make_payload("m", _IMAGE, _BATCHING, batch_size=2, shapes={"image": (3, 8, 9)})
    assert payload.inputs[0].data.shape == (2, 3, 8, 9)


def test_one_shape_fits_configs_with_and_without_batching():
    for shape in ((3, 8, 9), (1, 3, 8, 9)):
        for config in (_BATCHING, _PLAIN):
            payload = make_payload("m", _IMAGE, config, shapes={"image": shape})
            assert payload.inputs[0].data.shape == (1, 3, 8, 9)


def test_optional_input_is_left_out_unless_its_shape_is_given():
    metadata = _metadata(("x", "FP32", [-1, 4]), ("hint", "INT32", [-1, -1]))
    config = {"max_batch_size": 4, "input": [{"name": "x"}, {"name": "hint", "optional": True}]}
    assert [tensor.name for tensor in make_payload("m", metadata, config).inputs] == ["x"]
    both = make_payload("m", metadata, config, shapes={"hint": (2,)})
    assert [tensor.data.shape for tensor in both.inputs] == [(1, 4), (1, 2)]


@pytest.mark.parametrize(
    ("metadata", "config", "options", "message"),
    [
        (_IMAGE, _BATCHING, {}, r"^--shape: input 'image' has a dynamic dimension.*--shape image:3,N,N$"),
        (_metadata(("x", "FP32", [-1, 4])), _PLAIN, {}, r"^--shape: input 'x' .*\[-1,4\].*--shape x:N,4$"),
        (_IMAGE, _BATCHING, {"shapes": {"image": (4, 8, 8)}}, r"^--shape: image:4,8,8 contradicts .*\[3,-1,-1\]"),
        (_IMAGE, _BATCHING, {"shapes": {"image": (8, 8)}}, "^--shape: image:8,8 contradicts"),
        (_IMAGE, _BATCHING, {"shapes": {"image": (5, 3, 8, 8)}}, "^--shape: image:5,3,8,8 contradicts"),
        (_IMAGE, _BATCHING, {"shapes": {"image": (0, 8, 8)}}, "^--shape: image:0,8,8 contradicts"),
        (_IMAGE, _BATCHING, {"shapes": {"img": (3, 8, 8)}}, "^--shape: model 'm' has no input 'img'.* image$"),
        (_IMAGE, _BATCHING, {"batch_size": 9}, "^--batch-size: 9 is over the max_batch_size 8"),
        (_IMAGE, _PLAIN, {"batch_size": 2}, "^--batch-size: model 'm' does not batch"),
        (_IMAGE, _BATCHING, {"batch_size": 0}, "^--batch-size: 0 is below 1"),
        (_metadata(("x", "TF_VARIANT", [1])), _PLAIN, {}, "input 'x' has datatype 'TF_VARIANT'"),
        (_IMAGE, _BATCHING, {"data": "ones"}, "^--input-data: 'ones' is unknown"),
    ],
)
def test_payload_that_does_not_fit_the_model_is_refused_by_name(metadata, config, options, message):
    with pytest.raises(UsageError, match=message):
        make_payload("m", metadata, config, **options)


def test_shape_is_parsed_as_perf_analyzer_writes_it():
    assert parse_shape("image:3,224,224") == ("image", (3, 224, 224))
    assert parse_shape("images:0:5") == ("images:0", (5,))


@pytest.mark.parametrize("text", ["image", "image:", ":3", "image:3,x", "image:3,-1", "3,4"])
def test_malformed_shape_is_refused(text):
    with pytest.raises(UsageError, match=r"^--shape: .*NAME:D1,D2"):
        parse_shape(text)


def test_a_tensor_may_have_no_elements():
    assert parse_shape("boxes:0,4") == ("boxes", (0, 4))
    for data in ("random", "zero"):
        for datatype in ("FP32", "BYTES"):
            boxes = _metadata(("boxes", datatype, [-1, -1, 4]))
            payload = make_payload("m", boxes, _BATCHING, data=data, batch_size=2, shapes={"boxes": (0, 4)})
            assert payload.inputs[0].data.shape == (2, 0, 4)


def test_random_payloads_differ_and_are_those_of_the_following_seeds():
    payloads = make_payloads(
        "m", _metadata(("x", "FP32", [-1, 4])), _BATCHING, Traffic(payloads=3, batch_size=2, seed=5)
    )
    assert [payload.batch_size for payload in payloads] == [2, 2, 2]
    for index, payload in enumerate(payloads):
        alone = make_payload("m", _metadata(("x", "FP32", [-1, 4])), _BATCHING, batch_size=2, seed=5 + index)
        np.testing.assert_array_equal(payload.inputs[0].data, alone.inputs[0].data)
    assert len({payload.inputs[0].data.tobytes() for payload in payloads}) == 3


def test_zeros_are_one_payload_however_many_are_asked_for():
    (payload,) = make_payloads(
        "m", _IMAGE, _BATCHING, Traffic(input_data="zero", payloads=3, shapes={"image": (3, 2, 2)})
    )
    assert payload.inputs[0].data.shape == (1, 3, 2, 2)
    assert not payload.inputs[0].data.any()


def test_entries_of_a_file_are_the_payloads(tmp_path):
    path = tmp_path / "requests.json"
    path.write_text(json.dumps({"data": [{"x": [1, 2]}, {"x": [3, 4]}, {"x": [5, 6]}]}))
    metadata = _metadata(("x", "INT32", [-1, 2]))
    payloads = make_payloads("m", metadata, _BATCHING, Traffic(input_data=str(path), batch_size=2))
    assert [payload.inputs[0].data.tolist() for payload in payloads] == [[[1, 2], [3, 4]], [[5, 6], [1, 2]]]
    with pytest.raises(UsageError, match=r"^--payloads: the entries of .*requests.json are the payloads"):
        make_payloads("m", metadata, _BATCHING, Traffic(input_data=str(path), payloads=2))


def test_word_that_is_no_kind_of_data_is_taken_for_a_file():
    with pytest.raises(
        UsageError, match=r"^--input-data: cannot read ones: No such file.*; use random, zero, or the path"
    ):
        make_payloads("m", _metadata(("x", "INT32", [-1, 2])), _BATCHING, Traffic(input_data="ones"))
