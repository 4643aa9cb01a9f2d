"""Requests as they go over the wire, checked with Triton's own client where it can read them."""

import json

import numpy as np
import pytest
from tritonclient.grpc import service_pb2
from tritonclient.utils import deserialize_bytes_tensor

from autotune.load import Payload, Tensor
from autotune.load.grpc._request import build_grpc_request
from autotune.load.http._request import build_http_request
from autotune.load.http._response import BadResponse, ResponseReader
from autotune.load.shared_memory import Extent, Placement

_TEXT = np.array([[b"a", b""], ["ü".encode(), b"x" * 300]], dtype=np.object_)
_PAYLOAD = Payload(
    "a model/é",
    (Tensor("x", "FP32", np.arange(6, dtype=np.float32).reshape(2, 3)), Tensor("text", "BYTES", _TEXT)),
    batch_size=2,
)


def test_http_request_contains_json_then_binary_tensors():
    head, _, body = build_http_request(_PAYLOAD, "::1", 8000).partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    headers = dict(line.split(": ") for line in lines[1:])
    assert lines[0] == "POST /v2/models/a%20model%2F%C3%A9/infer HTTP/1.1"
    assert headers["Host"] == "[::1]:8000"
    assert int(headers["Content-Length"]) == len(body)
    json_length = int(headers["Inference-Header-Content-Length"])
    inference = json.loads(body[:json_length])
    assert inference["parameters"] == {"binary_data_output": True}
    assert [spec["shape"] for spec in inference["inputs"]] == [[2, 3], [2, 2]]
    floats, text = (spec["parameters"]["binary_data_size"] for spec in inference["inputs"])
    binary = body[json_length:]
    assert len(binary) == floats + text
    assert np.frombuffer(binary[:floats], "<f4").tolist() == [0, 1, 2, 3, 4, 5]
    assert deserialize_bytes_tensor(binary[floats:]).tolist() == _TEXT.ravel().tolist()


def test_grpc_request_is_read_back_by_tritons_message():
    request = service_pb2.ModelInferRequest.FromString(build_grpc_request(_PAYLOAD))
    assert request.model_name == "a model/é"
    assert [(spec.name, spec.datatype, list(spec.shape)) for spec in request.inputs] == [
        ("x", "FP32", [2, 3]),
        ("text", "BYTES", [2, 2]),
    ]
    assert np.frombuffer(request.raw_input_contents[0], "<f4").tolist() == [0, 1, 2, 3, 4, 5]
    assert deserialize_bytes_tensor(request.raw_input_contents[1]).tolist() == _TEXT.ravel().tolist()


_SHARED = Placement(
    (Extent("r", 0, 24), Extent("r", 64, 321)), {"y": Extent("r", 448, 1000), "ü": Extent("r", 1472, 8)}
)


def _body(request):
    """The JSON of an HTTP request, and what follows it."""
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(": ") for line in head.decode("ascii").split("\r\n")[1:])
    assert int(headers["Content-Length"]) == len(body)
    json_length = int(headers["Inference-Header-Content-Length"])
    return json.loads(body[:json_length]), body[json_length:]


def test_http_request_names_shared_memory_instead_of_containing_tensors():
    inference, rest = _body(build_http_request(_PAYLOAD, "::1", 8000, _SHARED))
    assert rest == b""
    assert inference == {
        "inputs": [
            {
                "name": "x",
                "datatype": "FP32",
                "shape": [2, 3],
                "parameters": {
                    "shared_memory_region": "r",
                    "shared_memory_offset": 0,
                    "shared_memory_byte_size": 24,
                },
            },
            {
                "name": "text",
                "datatype": "BYTES",
                "shape": [2, 2],
                "parameters": {
                    "shared_memory_region": "r",
                    "shared_memory_offset": 64,
                    "shared_memory_byte_size": 321,
                },
            },
        ],
        "outputs": [
            {
                "name": "y",
                "parameters": {
                    "shared_memory_region": "r",
                    "shared_memory_offset": 448,
                    "shared_memory_byte_size": 1000,
                },
            },
            {
                "name": "ü",
                "parameters": {
                    "shared_memory_region": "r",
                    "shared_memory_offset": 1472,
                    "shared_memory_byte_size": 8,
                },
            },
        ],
    }


def test_http_request_takes_all_outputs_over_the_wire_where_none_has_a_place():
    inference, rest = _body(build_http_request(_PAYLOAD, "::1", 8000, Placement(_SHARED.inputs)))
    assert rest == b""
    assert "outputs" not in inference
    assert inference["parameters"] == {"binary_data_output": True}


def test_grpc_request_names_shared_memory_instead_of_containing_tensors():
    def place(spec):
        return (
            spec.name,
            spec.parameters["shared_memory_region"].string_param,
            spec.parameters["shared_memory_offset"].int64_param,
            spec.parameters["shared_memory_byte_size"].int64_param,
        )

    request = service_pb2.ModelInferRequest.FromString(build_grpc_request(_PAYLOAD, _SHARED))
    assert list(request.raw_input_contents) == []
    assert [(spec.name, spec.datatype, list(spec.shape)) for spec in request.inputs] == [
        ("x", "FP32", [2, 3]),
        ("text", "BYTES", [2, 2]),
    ]
    assert [place(spec) for spec in request.inputs] == [("x", "r", 0, 24), ("text", "r", 64, 321)]
    assert [place(spec) for spec in request.outputs] == [("y", "r", 448, 1000), ("ü", "r", 1472, 8)]


_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
_CHUNKED = b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nwiki\r\n3\r\n\r\n!\r\n0\r\nT: v\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Busy\r\ncontent-length: 4\r\nConnection: close\r\n\r\nbusy"


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("response", "status", "keep_alive", "body"),
    [(_LENGTH, 200, True, ""), (_CHUNKED, 400, True, "wiki !"), (_CONTINUE, 503, False, "busy")],
)
def test_response_is_the_same_in_pieces_of_any_size(response, status, keep_alive, body, piece):
    reader = ResponseReader()
    for start in range(0, len(response), piece):
        assert not reader.complete
        reader.feed(response[start : start + piece])
    assert reader.complete
    assert (reader.status, reader.keep_alive, reader.error) == (status, keep_alive, body)


def test_response_without_length_ends_with_the_connection():
    reader = ResponseReader()
    reader.feed(b"HTTP/1.0 500 Oops\r\n\r\nsomething ")
    reader.feed(b"broke")
    assert not reader.complete
    reader.end()
    assert reader.complete
    assert not reader.keep_alive
    assert reader.error == "something broke"


@pytest.mark.parametrize(
    "response",
    [
        b"SSH-2.0",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n",
        _LENGTH + b"x",
        _CHUNKED + b"x",
        b"HTTP/1.1 " + b"x" * 70000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 9000,
    ],
)
def test_what_is_no_response_is_refused(response):
    with pytest.raises(BadResponse):
        ResponseReader().feed(response)


@pytest.mark.parametrize("cut", [5, 30, 40])
def test_response_cut_short_is_refused(cut):
    reader = ResponseReader()
    reader.feed(_LENGTH[:cut])
    with pytest.raises(BadResponse):
        reader.end()
