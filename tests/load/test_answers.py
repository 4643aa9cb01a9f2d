"""What counts as another answer, and which requests are compared."""

from __future__ import annotations

import numpy as np
import pytest

from autotune.load import Traffic, make_payloads
from autotune.load.answers._compare import differing
from autotune.load.answers._inputs import different_payloads, fixed_inputs
from autotune.load.answers._types import Answer, Output
from autotune.load.payload import Payload, Tensor


def answer(datatype: str, *elements: object) -> Answer:
    types = {"FP16": np.float16, "FP32": np.float32, "FP64": np.float64, "INT32": np.int32, "BYTES": np.object_}
    return Answer({"y": Output(datatype, np.array([elements], types[datatype]))})


@pytest.mark.parametrize(
    ("datatype", "alone", "beside"),
    [
        ("FP32", (1.0, 100.0), (1.05, 100.0)),  # within the tolerance of the largest element
        ("FP16", (1.0, 2.0), (1.01, 2.0)),
        ("FP32", (float("nan"), float("inf")), (float("nan"), float("inf"))),
        ("FP32", (0.0, 0.0), (1e-10, 0.0)),
        ("INT32", (1, 2), (1, 2)),
        ("BYTES", (b"a",), (b"a",)),
    ],
)
def test_equal_within_the_tolerance_of_the_type(datatype, alone, beside) -> None:
    assert differing(answer(datatype, *alone), answer(datatype, *beside)) == {}


@pytest.mark.parametrize(
    ("datatype", "alone", "beside", "words"),
    [
        ("FP32", (1.0, 2.0), (1.0, 2.1), "[0,1] is 2 alone and 2.1 beside others"),
        ("FP64", (1.0,), (1.0001,), "[0,0] is 1 alone and 1.0001 beside others"),
        ("FP32", (1.0,), (float("nan"),), "[0,0] is 1 alone and nan beside others"),
        ("FP32", (float("inf"),), (float("-inf"),), "[0,0] is inf alone and -inf beside others"),
        ("FP32", (0.0,), (0.5,), "[0,0] is 0 alone and 0.5 beside others"),
        ("INT32", (7,), (8,), "[0,0] is 7 alone and 8 beside others"),
        ("BYTES", (b"cat",), (b"dog",), "[0,0] is b'cat' alone and b'dog' beside others"),
        ("FP32", (1.0,), (1.0, 1.0), "is FP32[1,1] alone and FP32[1,2] beside others"),
    ],
)
def test_the_first_difference_in_words(datatype, alone, beside, words) -> None:
    assert differing(answer(datatype, *alone), answer(datatype, *beside)) == {"y": words}


def test_of_outputs_that_change_anyway_only_the_shape_is_compared() -> None:
    assert differing(answer("FP32", 1.0), answer("FP32", 2.0), unstable={"y"}) == {}
    assert differing(answer("FP32", 1.0), answer("FP32", 2.0, 3.0), unstable={"y"})


def test_a_missing_output_differs() -> None:
    assert differing(answer("FP32", 1.0), Answer()) == {"y": "is missing"}


def payload(*rows: float, datatype: str = "FP32") -> Payload:
    types = {"FP32": np.float32, "INT64": np.int64}
    return Payload("net", (Tensor("x", datatype, np.array([rows], types[datatype])),))


def test_one_given_request_is_shuffled_so_that_mixed_rows_show() -> None:
    inputs = fixed_inputs([payload(1, 2, 3, 4, datatype="INT64")])
    assert inputs[0].inputs[0].data.tolist() == [[1, 2, 3, 4]]
    assert len(inputs) > 1
    assert all(sorted(each.inputs[0].data.ravel()) == [1, 2, 3, 4] for each in inputs)


def test_zeros_of_floats_become_other_numbers_and_ids_stay() -> None:
    assert len({each.inputs[0].data.tobytes() for each in fixed_inputs([payload(0, 0)])}) == 4
    assert len(fixed_inputs([payload(0, 0, datatype="INT64")])) == 1


def test_requests_of_another_shape_count_only_where_they_are_batched_together() -> None:
    requests = [payload(1, 1), payload(1, 2, 3)]
    assert {each.inputs[0].data.shape for each in fixed_inputs(requests)} == {(1, 2)}
    assert {each.inputs[0].data.shape for each in fixed_inputs(requests, ragged=True)} >= {(1, 2), (1, 3)}


@pytest.mark.parametrize("given", [1, 6])
def test_random_strings_have_two_lengths_so_that_padding_to_the_longest_shows(given: int) -> None:
    metadata = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1, 2]}]}
    config, traffic = {"max_batch_size": 8}, Traffic(payloads=given)
    payloads = make_payloads("net", metadata, config, traffic)
    compared = fixed_inputs(different_payloads(metadata, config, traffic, payloads))
    lengths = [{len(element) for element in each.inputs[0].data.ravel()} for each in compared]
    assert lengths == [{16}, {8}, {16}, {8}]
    assert compared[0].inputs[0].data.tolist() == payloads[0].inputs[0].data.tolist()


def test_given_strings_stay_as_they_are() -> None:
    traffic = Traffic(input_data="texts.json")
    payloads = (Payload("net", (Tensor("text", "BYTES", np.array([[b"four", b"letters"]], np.object_)),)),)
    assert different_payloads({}, {}, traffic, payloads) == payloads
