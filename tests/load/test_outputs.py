"""A response that lacks an output which the model's config declares is an error."""

from __future__ import annotations

import pytest
from tritonclient.grpc import service_pb2

from autotune.load import declared_outputs
from autotune.load._outputs import missing_in_http
from autotune.load.grpc._outputs import missing_outputs

_BOTH = b'{"model_name":"m","outputs":[{"name":"a","shape":[1]},{"name":"b","parameters":{"binary_data_size":4}}]}'
_LACKS = "the response lacks output 'b' of the model's config"


def _message(*outputs: str, contents: int = 8) -> bytes:
    response = service_pb2.ModelInferResponse(model_name="m", model_version="1", id="7")
    for name in outputs:
        response.outputs.add(name=name, datatype="FP32", shape=[1, 4])
        response.raw_output_contents.append(b"x" * contents)
    serialised: bytes = response.SerializeToString()
    return serialised


@pytest.mark.parametrize(
    ("body", "header_bytes", "words"),
    [
        (_BOTH + b"\x00\xff{}[]", len(_BOTH), ""),
        (b'{"outputs":[{"name":"a"}]}\x00\x01', 26, _LACKS),
        (b'{"outputs":[{"name":"a","data":[1,2]}]}', None, _LACKS),
        (b'{"model_name":"m","outputs":[]}', None, "the response lacks outputs 'a', 'b' of the model's config"),
        (_BOTH[:50], 2000, ""),  # what was kept does not show it
        (b"hello", None, ""),
        (b"[1]", None, ""),
    ],
)
def test_outputs_of_an_http_response_are_read_from_its_json(body: bytes, header_bytes: int | None, words: str) -> None:
    assert missing_in_http(("a", "b"), body, header_bytes) == words


@pytest.mark.parametrize(("outputs", "words"), [(("a", "b"), ""), (("b", "x", "a"), ""), (("a",), _LACKS)])
def test_outputs_of_a_grpc_response_are_read_from_its_beginning(outputs: tuple[str, ...], words: str) -> None:
    message = _message(*outputs, contents=5000)
    assert missing_outputs(("a", "b"), message, len(message)) == words
    assert missing_outputs(("a", "b"), message[:200], len(message)) == words


def test_a_beginning_that_ends_before_the_contents_shows_nothing() -> None:
    message = _message("a")
    described = message.index(b"x" * 8) - 2
    for length in range(described):
        assert missing_outputs(("a", "b"), message[:length], len(message)) is None


def test_nothing_is_asked_of_a_decoupled_model() -> None:
    metadata = {"outputs": [{"name": "a"}, {"name": "b"}]}
    assert declared_outputs(metadata, {}) == ("a", "b")
    assert declared_outputs(metadata, {"model_transaction_policy": {"decoupled": True}}) == ()
