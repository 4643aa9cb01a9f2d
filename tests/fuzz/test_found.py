"""What random input found, each as a plain test."""

from __future__ import annotations

from pathlib import Path

import hpack
import pytest
import yaml

from autotune.errors import UsageError
from autotune.load._outputs import missing_in_http
from autotune.load.grpc._frames import BadFrames
from autotune.load.grpc._headers import HeaderReader
from autotune.load.grpc._messages import error_message
from autotune.load.http._response import BadResponse, ResponseReader
from autotune.repository import ModelConfig
from autotune.request._model_analyzer import read_model_analyzer
from autotune.request._perf_analyzer import read_perf_analyzer
from autotune.server._checks import parse_mount


def _fed(head: bytes, body: bytes = b"") -> ResponseReader:
    reader = ResponseReader()
    reader.feed(b"HTTP/1.1 " + head + b"\r\n\r\n" + body)
    return reader


def test_http_status_of_superscripts_is_no_response() -> None:
    with pytest.raises(BadResponse, match="not an HTTP"):
        _fed("\u00b2\u00b2\u00b2 OK".encode("latin-1"))


def test_http_lengths_of_thousands_of_digits() -> None:
    with pytest.raises(BadResponse, match="Content-Length is '999"):
        _fed(b"200 OK\r\nContent-Length: " + b"9" * 5000)
    assert _fed(b"200 OK\r\nInference-Header-Content-Length: " + b"9" * 5000).header_bytes is None


def test_http_error_that_nests_without_end_is_shown_as_text() -> None:
    reader = _fed(b"500 Error", b"[" * 100_000)
    assert reader.error == "[" * 2048


def test_http_answer_that_nests_without_end_has_no_outputs() -> None:
    assert missing_in_http(("y",), b"[" * 100_000, None) == ""  # as of any text that is no JSON


def test_grpc_status_of_thousands_of_digits() -> None:
    fields = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "9" * 5000)]
    failure = HeaderReader().tail(hpack.Encoder().encode(fields), whole=True)
    assert failure is not None
    assert failure[0] == "bad response"


def test_grpc_number_without_end() -> None:
    with pytest.raises(BadFrames):
        error_message(b"\x08" + b"\xff" * 1_000_000 + b"\x01")


@pytest.mark.parametrize("string", [r'"\x"', r"'a' '\ud800'", r'"\u12"'])
@pytest.mark.parametrize("text", ["parameters { key: %s }", "not_known_yet { a: [%s] }", "name: %s"])
def test_config_with_an_escape_that_protobuf_refuses(text: str, string: str) -> None:
    with pytest.raises(UsageError, match=r"^config.pbtxt:1:\d+: .*; correct that line$"):
        ModelConfig.parse(text % string, "config.pbtxt")


@pytest.mark.parametrize("settings", [{"parameters": 3}, {"constraints": {"perf_throughput": {3: []}}, 4: 5}])
def test_model_analyzer_file_with_values_of_other_types(tmp_path: Path, settings: dict[object, object]) -> None:
    file = tmp_path / "analyzer.yaml"
    file.write_text(yaml.safe_dump({"profile_models": "net", **settings}))
    with pytest.raises(UsageError, match="has a value of another type than Model Analyzer takes"):
        read_model_analyzer(file)


def test_model_analyzer_launch_mode_that_is_a_list_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "analyzer.yaml"
    file.write_text("profile_models: net\ntriton_launch_mode: []\n")
    assert read_model_analyzer(file).left_out == ["triton_launch_mode: []"]


@pytest.mark.parametrize("host", ["~nobody-has-this-name", "a\0b", "a" * 5000])
def test_mount_of_what_cannot_exist(host: str) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        parse_mount(f"{host}:/data")


@pytest.mark.parametrize("number", ["\u00b2", "9" * 5000])
def test_perf_analyzer_number_that_no_integer_is(number: str) -> None:
    with pytest.raises(UsageError, match="is not a whole number above zero"):
        read_perf_analyzer(f"perf_analyzer -m m --batch-size {number}")
