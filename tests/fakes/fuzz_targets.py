"""What reads input from outside, with the inputs to try and the errors that it may raise.

A target is a strategy of Hypothesis and a function; it passes if the function returns or raises one of its errors.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from autotune.errors import UsageError
from autotune.load import read_trace
from autotune.load._outputs import missing_in_http
from autotune.load._target import Target
from autotune.load.grpc import _frames as http2
from autotune.load.grpc._call import calls_of
from autotune.load.grpc._headers import HeaderReader
from autotune.load.grpc._messages import error_message
from autotune.load.grpc._outputs import missing_outputs
from autotune.load.grpc._session import Session
from autotune.load.http._response import BadResponse, ResponseReader
from autotune.load.payload import parse_shape
from autotune.load.payload._json_file import read_json
from autotune.load.payload._model_inputs import ModelInput
from autotune.measurement import parse_sweep
from autotune.objective import parse_duration
from autotune.reading import parse_json, parse_yaml
from autotune.repository import ModelConfig
from autotune.request._model_analyzer import read_model_analyzer
from autotune.request._perf_analyzer import read_perf_analyzer
from autotune.search.comparison import read_baseline
from autotune.server._checks import parse_mount, parse_size
from autotune.server._remote import parse_url
from autotune.space import SearchSpace

_CALL = calls_of(Target("grpc", "localhost", 8001, (b"request",)))[0]
_INPUTS = [
    ModelInput("x", "FP32", (-1, 3), True, False, 1, None),
    ModelInput("s", "BYTES", (-1, 1), True, True, 1, None),
]
_MODEL_ANALYZER = {"profile_models", "constraints", "objectives", "parameters", "model_config_parameters", "gpus"}
_KEYS = st.sampled_from(
    [
        *(
            "parameters",
            "fields",
            "instance_count",
            "max_batch_size",
            "dynamic_batching",
            "low",
            "high",
            "step",
            "scale",
        ),
        *(
            "refine",
            "preferred_batch_size",
            "max_queue_delay_microseconds",
            "instance_group[0].count",
            "data",
            "x",
            "s",
        ),
        *(
            "content",
            "b64",
            "shape",
            *sorted(_MODEL_ANALYZER),
            "perf_latency_p99",
            "max",
            "concurrency",
            "count",
            "kind",
        ),
        *("triton_launch_mode", "triton_server_flags", "batch_sizes", "perf_analyzer_flags", "bls_composing_models"),
        *(
            "fastest",
            "configs",
            "model",
            "mean",
            "environment",
            "metric",
            "name",
            "latency_budget",
            "optuna_max_trials",
        ),
        *("run_config_search_max_instance_count", "run_config_search_max_model_batch_size", "client_protocol"),
    ]
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([2**31, 10**30, -1, 0, 1, 2, 8, "log2", "linear", "none", "KIND_CPU", "docker", "remote", "1,2"]),
)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
_MAPPINGS = st.dictionaries(_KEYS, _DOCUMENTS, min_size=1, max_size=4)
_PBTXT = st.lists(
    st.sampled_from(
        [
            *(
                "name",
                "max_batch_size",
                "input",
                "instance_group",
                "parameters",
                "key",
                "value",
                "string_value",
                "dims",
            ),
            *("version_policy", "latest", "unknown", "data_type", "TYPE_FP32", "count", "optimization", "model_warmup"),
            *("{", "}", "[", "]", "<", ">", ":", ",", ";", "-", '"a"', "'b'", '"', "1", "-1", "1e400", "0x1f", "true"),
            *("\n", "# c\n", "\\", "\0", "[a.b/c]", "9" * 30),
        ]
    )
    | st.text(max_size=4),
    max_size=24,
).map(" ".join)
_HTTP = st.lists(
    st.sampled_from(
        [
            *(b"HTTP/1.1 ", b"HTTP/1.0 ", b"200 OK", b"100 Continue", b"500 x", b"204", b"\xb2\xb2\xb2 x", b"\r\n"),
            *(
                b"\r\n\r\n",
                b"Content-Length: ",
                b"Transfer-Encoding: chunked",
                b"Connection: close",
                b"5",
                b"0",
                b"ff;x",
            ),
            *(
                b"Inference-Header-Content-Length: ",
                b"9" * 5000,
                b"hello",
                b'{"error": "no"}',
                b"[" * 2048,
                b":",
                b"-1",
            ),
        ]
    )
    | st.binary(max_size=6),
    max_size=14,
)
_FRAMES = st.lists(
    st.builds(
        http2.frame,
        st.integers(0, 11),
        st.integers(0, 255),
        st.sampled_from([0, 1, 3, 2**31]),
        st.binary(max_size=16)
        | st.sampled_from([b"\x88", b"\x00\x0bgrpc-status\x010", b"\x00\x0bgrpc-status\x7f\xa9\x26" + b"9" * 5000]),
    )
    | st.binary(max_size=12),
    max_size=8,
)
_NUMBERS = st.text("0123456789.-+eE:,_ nainfx\u00b2\uff11\u0663", max_size=12)
_DURATIONS = st.tuples(
    _NUMBERS | st.floats().map(str), st.sampled_from(["", "s", "ms", "us", "\u00b5s", "h", "parsec"])
)
_WORDS = st.sampled_from(
    [
        *("perf_analyzer", "-m", "model", "--concurrency-range", "1:8:2", "--request-rate-range=1:2", "-b", "0", "8"),
        *(
            "--shape",
            "x:1,2",
            "--input-data",
            "zero",
            "|",
            ">",
            "-i",
            "grpc",
            "--",
            "-",
            "'",
            '"',
            "\\\n",
            "--percentile",
        ),
        *("--measurement-interval", "-p", "\u00b2", "1e400", "--streaming", "--num-of-sequences", "-z", "inf:nan"),
    ]
)


@dataclass(frozen=True)
class FuzzTarget:
    """A reader of input from outside.

    Attributes:
        inputs: What to try.
        read: Reads one input; gets a file to write it to.
        errors: What it may raise.
    """

    inputs: st.SearchStrategy[Any]
    read: Callable[[Any, Path], object]
    errors: tuple[type[Exception], ...] = (UsageError,)


def _in_file(read: Callable[[Path], object]) -> Callable[[Any, Path], object]:
    def write_and_read(content: Any, file: Path) -> object:
        file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return read(file)

    return write_and_read


def _http(pieces: list[bytes], _: Path) -> None:
    reader = ResponseReader(kept_bytes=4096)
    try:
        for piece in pieces:
            reader.feed(piece)
        if not reader.complete:
            reader.end()
    finally:
        assert isinstance(reader.error, str)
        missing_in_http(("y",), reader.kept, reader.header_bytes)


def _http2(pieces: list[bytes], _: Path) -> None:
    session = Session(streaming=len(pieces) % 2 == 0)
    session.start(0, _CALL)
    session.start(1, _CALL)
    for piece in [http2.settings_frame({}), *pieces]:
        session.feed(piece, 0.0)
        if session.failure:
            break


def _headers(block: bytes, _: Path) -> None:
    HeaderReader().tail(block, whole=True)


def _config(text: str, _: Path) -> None:
    config = ModelConfig.parse(text, "config.pbtxt")
    again = ModelConfig.parse(config.to_text(), "written")  # what was read can be written and read again
    assert again.to_text() == config.to_text()
    json.dumps(config.to_json())


def _space(document: Any, _: Path) -> None:
    SearchSpace.parse(document if isinstance(document, str) else yaml.safe_dump(document), "space.yaml")


def _path(text: str, _: Path) -> None:
    ModelConfig.empty("m").with_value(text, 1)


TARGETS: dict[str, FuzzTarget] = {
    "config.pbtxt": FuzzTarget(_PBTXT, _config),
    "path into a config": FuzzTarget(
        st.lists(
            st.sampled_from(
                ["instance_group", "count", "[0]", "[9]", ".", "parameters", "['a']", '["', "]", "dims", "\u00b2"]
            ),
            max_size=6,
        ).map("".join),
        _path,
    ),
    "HTTP response": FuzzTarget(_HTTP, _http, (BadResponse, ValueError)),
    "HTTP/2 frames": FuzzTarget(_FRAMES, _http2, ()),
    "HTTP/2 headers": FuzzTarget(st.binary(max_size=24), _headers, (http2.BadFrames,)),
    "gRPC message": FuzzTarget(
        st.binary(max_size=40),
        lambda message, _: (error_message(message), missing_outputs(("y",), message, len(message))),
        (http2.BadFrames,),
    ),
    "input data": FuzzTarget(
        st.builds(lambda data: json.dumps({"data": data}), st.lists(_MAPPINGS, max_size=3) | _DOCUMENTS)
        | st.text(max_size=20)
        | st.binary(max_size=20),
        _in_file(lambda file: read_json(file, _INPUTS)),
        (ValueError,),
    ),
    "trace": FuzzTarget(
        st.lists(_NUMBERS | st.floats().map(str), max_size=6).map("\n".join) | st.binary(max_size=12),
        _in_file(lambda file: read_trace(file, "timestamps")),
    ),
    "search space": FuzzTarget(_MAPPINGS | _DOCUMENTS | st.text(max_size=24), _space),
    "Model Analyzer": FuzzTarget(
        st.builds(lambda keys: yaml.safe_dump({"profile_models": "net", **keys}), _MAPPINGS),
        _in_file(read_model_analyzer),
    ),
    "perf_analyzer command": FuzzTarget(
        st.lists(_WORDS | st.text(max_size=5), max_size=10).map(lambda words: "perf_analyzer " + " ".join(words)),
        lambda line, _: read_perf_analyzer(line),
    ),
    "YAML": FuzzTarget(
        st.text("ab[]{}:,-&*!|>'\"#\n ?%@0\t", max_size=30), lambda text, _: parse_yaml(text), (ValueError,)
    ),
    "JSON": FuzzTarget(st.text('[]{}:,"0e-.\\tnul', max_size=30), lambda text, _: parse_json(text), (ValueError,)),
    "baseline": FuzzTarget(_MAPPINGS.map(json.dumps), _in_file(read_baseline)),
    "duration": FuzzTarget(_DURATIONS.map("".join), lambda text, _: parse_duration(text, "--p99")),
    "size": FuzzTarget(_DURATIONS.map("".join), lambda text, _: parse_size("--memory", text)),
    "sweep": FuzzTarget(_NUMBERS, lambda text, _: parse_sweep(text, "--rate", whole=len(text) % 2 == 0)),
    "shape": FuzzTarget(st.text("x:,()0123456789uniform -\u00b2", max_size=24), lambda text, _: parse_shape(text)),
    "mount": FuzzTarget(st.text("/a:rwo.~\0", max_size=12), lambda text, _: parse_mount(text)),
    "URL": FuzzTarget(st.text("localhost:8000,[]@/.\u00b2\u00e9", max_size=20), lambda text, _: parse_url(text)),
}
