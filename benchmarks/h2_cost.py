"""What the library `h2` would cost as the gRPC client's HTTP/2: client CPU per request beside our own framing.

The same event loop, sockets and calls drive `grpc/null_server.py` with both; only the session differs. The one on `h2`
does the least that unary calls need: no streamed responses, no large messages, no kept text of failures. Interleaves
the two and prints medians and minima. Needs `h2`, which the project does not depend on:

    python -m benchmarks.h2_cost [--rounds 10] [--seconds 0.5]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from contextlib import ExitStack, closing
from types import SimpleNamespace
from typing import Any

import numpy as np
from h2.config import H2Configuration  # type: ignore[import-not-found, unused-ignore]
from h2.connection import H2Connection  # type: ignore[import-not-found, unused-ignore]
from h2.events import (  # type: ignore[import-not-found, unused-ignore]
    DataReceived,
    ResponseReceived,
    StreamEnded,
    TrailersReceived,
)
from h2.settings import SettingCodes  # type: ignore[import-not-found, unused-ignore]

from autotune.load import ClosedLoop, ConstantRate, LoadGenerator, Payload, Schedule, Tensor, create_generator
from autotune.load.grpc import _connections, null_server
from autotune.load.grpc._session import Session
from autotune.load.grpc._stream import Stream
from autotune.server import Endpoint

LOADS: tuple[Schedule, ...] = (ClosedLoop(8), ClosedLoop(32), ConstantRate(5000))
TIMEOUT_S = 2.0
WINDOW_BYTES = 2**31 - 1
HEADERS = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/inference.GRPCInferenceService/ModelInfer"),
    (b":authority", b"127.0.0.1"),
    (b"te", b"trailers"),
    (b"content-type", b"application/grpc"),
    (b"user-agent", b"triton-autotune"),
]


class H2Session:
    """Stands in for `Session`: the same calls in and out, with the frames left to `h2`."""

    has_room, retired, data_left, skippable = True, False, 0, 0

    def __init__(self, *, streaming: bool) -> None:
        assert not streaming
        self.streams: dict[int, Stream] = {}
        self.failure: tuple[str, str] | None = None
        self.sender = SimpleNamespace(bulky=False)
        self._unacknowledged = 0
        self._http2 = H2Connection(
            H2Configuration(
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        self._http2.local_settings[SettingCodes.INITIAL_WINDOW_SIZE] = WINDOW_BYTES
        self._http2.initiate_connection()
        self._http2.increment_flow_control_window(WINDOW_BYTES - 65535)
        self.pieces: list[bytes | memoryview] = [self._http2.data_to_send()]

    def start(self, index: int, call: Any) -> None:
        """Begins a call."""
        number = self._http2.get_next_available_stream_id()
        self.streams[number] = Stream(index)
        self._http2.send_headers(number, HEADERS)
        self._http2.send_data(number, call.message, end_stream=True)
        self.pieces.append(self._http2.data_to_send())

    def feed(self, data: bytes, now: float) -> list[Stream]:
        """Takes what came; returns the calls that ended with it."""
        ended = []
        for event in self._http2.receive_data(data):
            if isinstance(event, DataReceived):
                self.streams[event.stream_id].received += len(event.data)
                self._unacknowledged += event.flow_controlled_length
            elif isinstance(event, ResponseReceived):
                self.streams[event.stream_id].began_at = now
            elif isinstance(event, TrailersReceived):
                if (b"grpc-status", b"0") not in event.headers:
                    self.streams[event.stream_id].failure = ("grpc", "not OK")
            elif isinstance(event, StreamEnded):
                ended.append(self.streams.pop(event.stream_id))
        if self._unacknowledged > WINDOW_BYTES // 2:
            self._http2.increment_flow_control_window(self._unacknowledged)
            self._unacknowledged = 0
        if answer := self._http2.data_to_send():
            self.pieces.append(answer)
        return ended

    def end(self) -> None:
        """The server closed the connection."""
        self.failure = self.failure or ("reset", "the server closed the connection")


def main() -> None:
    """Prints a Markdown table, one row a load."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=0.5)
    arguments = parser.parse_args()
    payload = Payload("null", (Tensor("input", "FP32", np.zeros((1, 784), np.float32)),))
    spent_us: dict[tuple[str, Schedule], list[float]] = {}
    command = [sys.executable, str(null_server.__file__)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, ExitStack() as stack:
        stack.callback(server.kill)
        assert server.stdout is not None
        port = int(server.stdout.readline())
        generators: dict[str, LoadGenerator] = {}
        for name, session in (("own", Session), ("h2", H2Session)):
            endpoint = Endpoint("127.0.0.1", port, port)
            generators[name] = stack.enter_context(
                closing(create_generator("grpc", endpoint, payload, in_process=True))
            )
            _connections.Session = session  # type: ignore[attr-defined, misc, assignment]
            generators[name].run(ClosedLoop(8), 0.1, TIMEOUT_S)  # opens its connections
        for _ in range(arguments.rounds):
            for load in LOADS:
                for name, generator in generators.items():
                    result = generator.run(load, arguments.seconds, TIMEOUT_S)
                    assert not result.failed, result.error_example
                    spent_us.setdefault((name, load), []).append(result.client_cpu_s / result.completed * 1e6)
    print("| load | own framing: CPU per request (us), median (least) | h2 | h2 / own, of the least |")
    print("|---|---|---|---|")
    for load in LOADS:
        own, other = spent_us["own", load], spent_us["h2", load]
        cells = [f"{statistics.median(each):.1f} ({min(each):.1f})" for each in (own, other)]
        print(f"| {load} | {cells[0]} | {cells[1]} | {min(other) / min(own):.2f} |")


if __name__ == "__main__":
    main()
