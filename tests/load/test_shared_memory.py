"""Tensors in shared memory, against a server of ours that knows Triton's shared-memory calls and nothing else."""

import errno
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import numpy as np
import pytest

from autotune.errors import UsageError
from autotune.load import Payload, Tensor
from autotune.load.payload import tensor_bytes
from autotune.load.shared_memory import (
    Layout,
    Placement,
    SharedMemoryGenerator,
    SharedTensors,
    _tensors,
    bytes_per_slot,
)
from autotune.load.shared_memory._output_sizes import largest_outputs
from autotune.server import ControlError, Endpoint, Unreachable


def _payload(number: int, size: int = 5) -> Payload:
    floats = Tensor("x", "FP32", np.full((1, size), number, np.float32))
    strings = Tensor("text", "BYTES", np.array([[b"a" * number, b"b"]], np.object_))
    return Payload("m", (floats, strings))


def _pairs(layout: Layout) -> list[tuple[Payload, Placement]]:
    pairs = []

    def build(payload: Payload, placement: Placement) -> bytes:
        pairs.append((payload, placement))
        return b"request %d" % len(pairs)

    assert layout.requests(build) == tuple(b"request %d" % (index + 1) for index in range(len(pairs)))
    return pairs


@pytest.mark.parametrize(("payloads", "slots"), [(1, 1), (1, 64), (3, 4), (100, 64), (4, 2)])
def test_tensors_of_a_layout_lie_apart_within_the_region(payloads, slots):
    contents = [_payload(number) for number in range(payloads)]
    layout = Layout.of("r", contents, {"y": 100, "z": 1}, slots)
    extents = [extent for extents in layout.inputs for extent in extents]
    extents += [extent for slot in layout.slots for extent in slot.values()]
    assert len(extents) == 2 * payloads + 2 * slots
    assert {extent.region for extent in extents} == {"r"}
    ends = [extent.offset + extent.byte_size for extent in extents]
    assert all(end <= extent.offset for end, extent in zip(ends, extents[1:], strict=False))
    assert ends[-1] <= layout.byte_size
    assert all(extent.offset % 64 == 0 for extent in extents)
    assert [extent.byte_size for extent in layout.inputs[0]] == [20, len(tensor_bytes(contents[0].inputs[1]))]
    assert {slot["y"].byte_size for slot in layout.slots} == {100}
    assert layout.byte_size == layout.slots[0]["y"].offset + slots * bytes_per_slot({"y": 100, "z": 1})


@pytest.mark.parametrize(("payloads", "slots"), [(1, 1), (1, 64), (3, 4), (100, 64), (4, 2)])
def test_requests_take_payloads_in_turn_and_slots_in_turn(payloads, slots):
    contents = [_payload(number) for number in range(payloads)]
    layout = Layout.of("r", contents, {"y": 100}, slots)
    pairs = _pairs(layout)
    assert len(pairs) % payloads == 0
    for index, (payload, placement) in enumerate(pairs):
        assert payload is contents[index % payloads]
        assert placement == Placement(layout.inputs[index % payloads], layout.slots[index % slots])
    # Each slot has its turn, and no more requests are made than that takes.
    assert slots <= len(pairs) < slots + payloads


class FakeTriton:
    """Answers what `SharedTensors` asks, and notes what it is told.

    Attributes:
        directory: What it has as ``/dev/shm``.
        regions: Regions registered now, with the content each had when it was.
        answers: What an inference is answered with: output name to datatype and size, one set per inference in turn.
        busy: How many more times a region is kept when it is to be unregistered.
        refuses_while_busy: Whether it then says so.
        asked: How often it was to unregister a region.
        refusal: Why it does not register a region or infer; None: it does.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.regions: dict[str, bytes] = {}
        self.answers: list[dict[str, tuple[str, int]]] = [{"y": ("FP32", 400)}]
        self.config: dict[str, object] = {}
        self.busy = 0
        self.refuses_while_busy = False
        self.asked = 0
        self.refusal: tuple[str, str] | None = None
        self._inferences = 0
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                if self.path == "/v2/models/m/config":
                    return self._answer(200, fake.config)
                assert self.path == "/v2/systemsharedmemory/status"
                return self._answer(200, [{"name": name} for name in fake.regions])

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                *_, subject, verb = self.path.split("/")
                if fake.refusal is not None and fake.refusal[0] == verb:
                    return self._answer(400, {"error": fake.refusal[1]})
                if verb == "infer":
                    return self._infer()
                fake.asked += verb == "unregister"
                if verb == "register":
                    fake.register(subject, json.loads(body))
                elif fake.busy:
                    fake.busy -= 1
                    if fake.refuses_while_busy:
                        return self._answer(400, {"error": f"region '{subject}' is currently in use."})
                else:
                    fake.regions.pop(subject, None)
                return self._answer(200, {})

            def _infer(self) -> None:
                outputs = fake.answers[fake._inferences % len(fake.answers)]
                fake._inferences += 1
                answer = [
                    {"name": name, "datatype": datatype, "shape": [1], "parameters": {"binary_data_size": size}}
                    for name, (datatype, size) in outputs.items()
                ]
                self._answer(200, {"outputs": answer}, sum(min(size, 1000) for _, size in outputs.values()))

            def _answer(self, status: int, content: object, binary: int = 0) -> None:
                text = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text) + binary))
                if binary:
                    self.send_header("Inference-Header-Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text + b"\0" * binary)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.endpoint = Endpoint("127.0.0.1", self._server.server_address[1], 1)

    def register(self, region: str, asked: dict[str, object]) -> None:
        path = self.directory / str(asked["key"]).removeprefix("/")
        self.regions[region] = path.read_bytes()
        assert asked["offset"] == 0
        assert asked["byte_size"] == path.stat().st_size
        assert path.stat().st_mode & 0o077 == 0

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def triton(tmp_path: Path) -> Iterator[FakeTriton]:
    triton = FakeTriton(tmp_path)
    yield triton
    assert list(tmp_path.iterdir()) == []
    triton.stop()


def test_server_finds_every_input_where_requests_say(triton):
    payloads = [_payload(number) for number in range(3)]
    with SharedTensors(triton.endpoint, payloads, triton.directory) as tensors:
        ((region, content),) = triton.regions.items()
        pairs = []
        tensors.requests(lambda *pair: pairs.append(pair) or b"")
        assert len(pairs) == 66
        for payload, placement in pairs:
            for tensor, extent in zip(payload.inputs, placement.inputs, strict=True):
                assert extent.region == region
                assert content[extent.offset : extent.offset + extent.byte_size] == tensor_bytes(tensor)
        assert {placement.outputs["y"].offset for _, placement in pairs} == {
            placement.outputs["y"].offset for _, placement in pairs[:64]
        }
    assert triton.regions == {}


def test_name_of_the_region_is_removed_once_the_server_has_it_and_names_its_maker(triton):
    with SharedTensors(triton.endpoint, [_payload(1)], triton.directory):
        assert list(triton.directory.iterdir()) == []
        (region,) = triton.regions
        assert f"-{os.getpid()}-" in region


def test_slots_hold_the_largest_output_of_any_payload(triton):
    triton.answers = [{"y": ("FP32", 400), "s": ("BYTES", 300)}, {"y": ("FP32", 800), "s": ("BYTES", 100)}]
    with SharedTensors(triton.endpoint, [_payload(1), _payload(2)], triton.directory) as tensors:
        assert len(tensors.output("y", slot=63)) == 800
        assert len(tensors.output("s", slot=63)) == 600  # strings may be longer next time


def test_output_that_was_empty_has_a_place_all_the_same(triton):
    triton.answers = [{"y": ("FP32", 0)}]
    assert largest_outputs(triton.endpoint, [_payload(1)])["y"] > 0


def test_large_outputs_have_fewer_slots_within_the_limit(triton, monkeypatch):
    monkeypatch.setattr(_tensors, "_MOST_OUTPUT_BYTES", 1 << 20)
    triton.answers = [{"y": ("FP32", 400_000)}]
    with SharedTensors(triton.endpoint, [_payload(1)], triton.directory) as tensors:
        assert len(tensors.requests(lambda *_: b"")) == 2


def test_tensors_that_do_not_fit_are_refused_in_one_line(triton, monkeypatch):
    def full(fd: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(UsageError, match=r"^--shared-memory: .* MB are free: No space left") as refused:
        SharedTensors(triton.endpoint, [_payload(1)], triton.directory)
    assert "\n" not in str(refused.value)


def test_server_that_cannot_open_the_memory_is_a_usage_error_in_its_words(triton):
    triton.refusal = ("register", "Unable to open shared memory region: '/x'")
    with pytest.raises(UsageError, match=r"^--shared-memory: .*Unable to open shared memory region: '/x'; ") as refused:
        SharedTensors(triton.endpoint, [_payload(1)], triton.directory)
    assert f"127.0.0.1:{triton.endpoint.http_port}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_refused_inference_is_the_servers_error_not_the_requests(triton):
    triton.refusal = ("infer", "out of memory")
    with pytest.raises(ControlError, match="out of memory"):
        SharedTensors(triton.endpoint, [_payload(1)], triton.directory)
    assert triton.regions == {}


def test_decoupled_model_is_refused(triton):
    triton.config = {"model_transaction_policy": {"decoupled": True}}
    with pytest.raises(UsageError, match=r"^--shared-memory: model 'm' is decoupled"):
        SharedTensors(triton.endpoint, [_payload(1)], triton.directory)


def test_server_that_is_gone_is_reported_as_gone(triton):
    endpoint = Endpoint("127.0.0.1", 1, 1)
    with pytest.raises(Unreachable):
        largest_outputs(endpoint, [_payload(1)])
    with pytest.raises(Unreachable):
        SharedTensors(endpoint, [_payload(1)], triton.directory)


@pytest.mark.parametrize("refuses", [True, False])
def test_region_in_use_is_asked_for_until_the_server_lets_go(triton, refuses):
    tensors = SharedTensors(triton.endpoint, [_payload(1)], triton.directory)
    triton.busy, triton.refuses_while_busy = 3, refuses
    tensors.close()
    assert triton.regions == {}
    assert triton.asked == 4


@pytest.mark.parametrize("gone", [True, False])
def test_closing_twice_is_safe_whether_the_server_is_there_or_not(tmp_path, gone):
    triton = FakeTriton(tmp_path)
    tensors = SharedTensors(triton.endpoint, [_payload(1)], tmp_path)
    if gone:
        triton.stop()
    tensors.close()
    tensors.close()
    assert list(tmp_path.iterdir()) == []
    if not gone:
        triton.stop()


def test_exception_while_in_use_frees_everything(triton):
    with pytest.raises(KeyboardInterrupt), SharedTensors(triton.endpoint, [_payload(1)], triton.directory):
        raise KeyboardInterrupt
    assert triton.regions == {}


def test_generator_that_cannot_be_made_leaves_no_memory(triton):
    def fails(tensors: SharedTensors) -> NoReturn:
        assert list(triton.regions) == [tensors.name]
        raise UsageError("--url: no such host")

    with pytest.raises(UsageError, match="no such host"):
        SharedMemoryGenerator.create(triton.endpoint, [_payload(1)], fails, triton.directory)
    assert triton.regions == {}


@pytest.mark.parametrize("fails", [True, False])
def test_generator_is_closed_before_its_memory_even_where_that_fails(fails):
    closed = []

    def close_generator() -> None:
        closed.append("generator")
        if fails:
            raise OSError

    inner = SimpleNamespace(protocol="http", run=lambda *given: given, close=close_generator)
    tensors = SimpleNamespace(close=lambda: closed.append("tensors"))
    generator = SharedMemoryGenerator(inner, tensors)
    assert generator.protocol == "http"
    assert generator.run("schedule", 1.0, 2.0) == ("schedule", 1.0, 2.0, None)
    if fails:
        with pytest.raises(OSError):  # noqa: PT011
            generator.close()
    else:
        generator.close()
    assert closed == ["generator", "tensors"]
