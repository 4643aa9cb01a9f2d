"""The HTTP/2 of the gRPC client, frame by frame and without a socket."""

import random

import hpack
import pytest
from http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    OK_HEAD,
    OK_TAIL,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    Frame,
    answer,
    block,
    encoded_answer,
    frame,
    frames_of,
    goaway,
    head,
    message,
    reset,
    settings,
    tail,
    widen,
)

from autotune.load._target import LoadOptions, Target
from autotune.load.grpc._call import calls_of
from autotune.load.grpc._session import Session

_CALL, _LARGE, _VERY_LARGE = calls_of(
    Target("grpc", "localhost", 8001, (b"request", bytes(range(256)) * 800, bytes(2_000_000)))
)


def _session(first=None, *, streaming=False):
    session = Session(streaming=streaming)
    session.feed(first or settings(), 0.0)
    _written(session)
    return session


def _written(session) -> list[Frame]:
    data = b"".join(session.pieces)
    session.pieces.clear()
    return frames_of(data.removeprefix(PREFACE))


def _begin(session, count, call=_CALL):
    for index in range(count):
        session.start(index, call)


def _feed(session, data, piece=1 << 30):
    return [stream for start in range(0, len(data), piece) for stream in session.feed(data[start : start + piece], 1.0)]


def _result(session, data, piece=1 << 30):
    """How the one call under way ends."""
    (stream,) = _feed(session, data, piece)
    assert session.failure is None
    return stream.failure


def test_greeting_asks_for_headers_without_a_table_and_for_wide_windows():
    session = Session(streaming=False)
    data = b"".join(session.pieces)
    assert data.startswith(PREFACE)
    told, widened = frames_of(data[len(PREFACE) :])
    assert told.kind == SETTINGS
    values = {
        int.from_bytes(told.payload[i : i + 2], "big"): int.from_bytes(told.payload[i + 2 : i + 6], "big")
        for i in range(0, len(told.payload), 6)
    }
    assert values == {1: 0, 2: 0, 4: 2**31 - 1, 5: 2**20}
    assert (widened.kind, widened.stream, widened.number) == (WINDOW_UPDATE, 0, 2**31 - 1 - 65535)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("host", ["localhost", "::1", "a" * 200])
def test_every_call_has_its_headers_and_message(host, streaming):
    options = LoadOptions(streaming=streaming)
    calls = calls_of(Target("grpc", host, 8001, (b"one", b"other"), options=options))
    session = _session(settings(table=0), streaming=streaming)
    for index in range(3):
        session.start(index, calls[index % 2])
    sent = _written(session)
    assert [(found.kind, found.flags) for found in sent] == [(HEADERS, END_HEADERS), (DATA, END_STREAM)] * 3
    assert [found.stream for found in sent] == [1, 1, 3, 3, 5, 5]
    assert [found.payload for found in sent[1::2]] == [message(b"one"), message(b"other"), message(b"one")]
    for found in sent[::2]:
        decoder = hpack.Decoder()
        assert dict(decoder.decode(found.payload)) == {
            ":method": "POST",
            ":scheme": "http",
            ":path": f"/inference.GRPCInferenceService/Model{'Stream' if streaming else ''}Infer",
            ":authority": "[::1]:8001" if host == "::1" else f"{host}:8001",
            "te": "trailers",
            "content-type": "application/grpc",
            "user-agent": "triton-autotune",
        }
        assert not decoder.header_table.dynamic_entries


_CONTENT = b"\x12\x62" + b"x" * 98  # passes as a streamed response too
_ODD_ANSWERS = {
    "plain": answer(1),
    "padded": (
        frame(HEADERS, END_HEADERS | PADDED | WITH_PRIORITY, 1, b"\x03" + b"\0" * 5 + block(OK_HEAD) + b"\0" * 3)
        + frame(DATA, PADDED, 1, b"\x04" + message(_CONTENT) + b"\0" * 4)
        + tail(1)
    ),
    "continued": (
        frame(HEADERS, 0, 1, block(OK_HEAD)[:5])
        + frame(CONTINUATION, 0, 1, block(OK_HEAD)[5:9])
        + frame(CONTINUATION, END_HEADERS, 1, block(OK_HEAD)[9:])
        + frame(DATA, 0, 1, message())
        + frame(HEADERS, END_STREAM, 1, b"")
        + frame(CONTINUATION, END_HEADERS, 1, block(OK_TAIL))
    ),
    "in many frames": (
        head(1) + b"".join(frame(DATA, 0, 1, message(_CONTENT)[at : at + 9]) for at in range(0, 105, 9)) + tail(1)
    ),
    "with other frames between": (
        frame(PRIORITY, 0, 1, bytes(5))
        + head(1)
        + frame(0xFA, 0xFF, 77, b"unknown")
        + frame(PING, ACK, 0, bytes(8))
        + frame(DATA, 0, 1, message(_CONTENT))
        + widen(1, 100)
        + tail(1)
        + reset(1, 0)
    ),
    "after an informational one": frame(HEADERS, END_HEADERS, 1, block(((":status", "103"),))) + answer(1),
}


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 10, 1 << 20])
@pytest.mark.parametrize("name", _ODD_ANSWERS)
@pytest.mark.parametrize("streaming", [False, True])
def test_answer_is_understood_however_it_is_framed_and_split(name, piece, streaming):
    session = _session(streaming=streaming)
    _begin(session, 1)
    assert _result(session, _ODD_ANSWERS[name], piece) is None
    # The same once its headers are known.
    session.start(1, _CALL)
    assert _result(session, answer(3), piece) is None
    session.start(2, _CALL)
    assert _result(session, answer(5), piece) is None


@pytest.mark.parametrize("piece", [1, 11, 1 << 20])
def test_answers_in_another_order_and_interleaved_reach_their_requests(piece):
    session = _session()
    _begin(session, 4)
    data = answer(5) + head(1) + head(3) + frame(DATA, 0, 3, message()) + tail(3) + frame(DATA, 0, 1, message())
    ended = _feed(session, data + answer(7) + tail(1), piece)
    assert [stream.index for stream in ended] == [2, 1, 3, 0]
    assert all(stream.failure is None for stream in ended)
    assert not session.streams


def test_server_that_keeps_a_table_all_the_same_is_understood():
    session, encoder = _session(), hpack.Encoder()
    _begin(session, 6)
    failures = []
    for stream, status in zip((1, 3, 5, 7, 9, 11), ("0", "0", "3", "0", "14", "0"), strict=True):
        if stream == 5:
            encoder.header_table_size = 0
        if stream == 9:
            encoder.header_table_size = 4096
        failures += [ended.failure for ended in _feed(session, encoded_answer(stream, encoder, status, "why"))]
    assert failures == [None, None, ("grpc INVALID_ARGUMENT", "why"), None, ("grpc UNAVAILABLE", "why"), None]


def test_same_bytes_that_refer_to_another_field_are_decoded_again():
    session = _session()
    _begin(session, 4)
    failures = []
    newest = b"\xbe"
    tails = (b"\x40\x0bgrpc-status\x010", newest, b"\x40\x0bgrpc-status\x015", newest)
    for stream, end in zip((1, 3, 5, 7), tails, strict=True):
        data = head(stream) + frame(DATA, 0, stream, message()) + frame(HEADERS, END_HEADERS | END_STREAM, stream, end)
        failures += [ended.failure for ended in _feed(session, data)]
    assert failures == [None, None, ("grpc NOT_FOUND", ""), ("grpc NOT_FOUND", "")]


def test_known_headers_are_forgotten_when_the_server_begins_to_keep_a_table():
    # A literal field that is to be added to the table: nothing happens while that has no room.
    adding = b"\x40\x0bgrpc-status\x010"
    session = _session()
    _begin(session, 4)
    for stream, start in ((1, b"\x20"), (3, b""), (5, b"\x3f\x81\x1f")):
        assert not session.feed(frame(HEADERS, END_HEADERS, stream, start + block(OK_HEAD)), 1.0)
        data = frame(DATA, 0, stream, message()) + frame(HEADERS, END_HEADERS | END_STREAM, stream, adding)
        assert [ended.failure for ended in _feed(session, data)] == [None]
    # Now it is the first entry after the static ones.
    data = head(7) + frame(DATA, 0, 7, message()) + frame(HEADERS, END_HEADERS | END_STREAM, 7, b"\xbe")
    assert [ended.failure for ended in _feed(session, data)] == [None]


_FAILURES = {
    "trailers only": (
        tail(1, (*OK_HEAD, ("grpc-status", "14"), ("grpc-message", "50%25 of  caf%C3%A9"))),
        ("grpc UNAVAILABLE", "50% of café"),
    ),
    "status in the trailers": (head(1) + tail(1, (("grpc-status", "8"),)), ("grpc RESOURCE_EXHAUSTED", "")),
    "status without a name": (head(1) + tail(1, (("grpc-status", "99"),)), ("grpc 99", "")),
    "status that is no number": (
        head(1) + tail(1, (("grpc-status", "many"),)),
        ("bad response", "grpc-status is 'many'"),
    ),
    "no status": (
        head(1) + frame(DATA, 0, 1, message()) + tail(1, (("x", "y"),)),
        ("bad response", "no grpc-status"),
    ),
    "no trailers": (head(1) + frame(DATA, END_STREAM, 1, message()), ("bad response", "no grpc-status")),
    "no message": (head(1) + tail(1), ("bad response", "no message before the status")),
    "a proxy's refusal": (
        head(1, ((":status", "503"), ("content-type", "text/plain")))
        + frame(DATA, 0, 1, b"no healthy\n")
        + frame(DATA, END_STREAM, 1, b"upstream"),
        ("http 503", "no healthy upstream"),
    ),
    "a proxy's refusal without words": (tail(1, ((":status", "404"),)), ("http 404", "")),
    "another content": (
        head(1, ((":status", "200"), ("content-type", "text/html"))) + frame(DATA, END_STREAM, 1, b"<html>"),
        ("bad response", "content-type is 'text/html'"),
    ),
    "reset": (head(1) + reset(1, 7), ("http2 REFUSED_STREAM", "the server reset the stream")),
    "reset for an unknown reason": (reset(1, 0x1234), ("http2 error 0x1234", "the server reset the stream")),
}


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize("name", _FAILURES)
def test_failure_of_one_call_is_named_and_leaves_the_others_alone(name, piece):
    data, expected = _FAILURES[name]
    session = _session()
    _begin(session, 2)
    assert _result(session, data, piece) == expected
    assert _result(session, answer(3), piece) is None


def test_settings_and_pings_are_acknowledged_in_order():
    session = _session()
    session.feed(frame(PING, 0, 0, b"8 bytes.") + settings(window=1000) + frame(SETTINGS, ACK), 0.0)
    assert _written(session) == [Frame(PING, ACK, 0, b"8 bytes."), Frame(SETTINGS, ACK, 0, b"")]


def _uploaded(session, stream=1) -> list[bytes]:
    return [found.payload for found in _written(session) if found.kind == DATA and found.stream == stream]


def test_large_message_waits_for_the_windows_and_arrives_complete():
    session = _session()
    _begin(session, 1, _LARGE)
    sent = _uploaded(session)
    assert [len(part) for part in sent] == [16384, 16384, 16384, 16383]
    session.feed(widen(1, 100_000), 0.0)  # the connection's window is still closed
    assert _uploaded(session) == []
    session.feed(widen(0, 1), 0.0)
    sent += (one := _uploaded(session))
    assert [len(part) for part in one] == [1]
    session.feed(widen(0, 1 << 30), 0.0)  # now the stream's is
    sent += _uploaded(session)
    assert sum(map(len, sent)) == 65535 + 100_000
    session.feed(widen(1, 1 << 20), 0.0)
    last = _written(session)
    assert [found.flags for found in last] == [0, 0, END_STREAM]
    assert b"".join([*sent, *(found.payload for found in last)]) == _LARGE.message


def test_window_may_shrink_below_nothing_while_a_message_is_on_its_way():
    session = _session(settings(window=1000) + widen(0, 1 << 20))
    _begin(session, 1, _LARGE)
    sent = _uploaded(session)
    session.feed(settings(window=400), 0.0)
    session.feed(widen(1, 600), 0.0)  # back to zero
    assert _uploaded(session) == []
    session.feed(widen(1, 5), 0.0)
    assert [len(part) for part in _uploaded(session)] == [5]
    session.feed(settings(window=1 << 20), 0.0)
    assert sum(map(len, _uploaded(session))) == _LARGE.size - sum(map(len, sent)) - 5


def test_server_may_take_larger_frames():
    session = _session(settings(frame=1 << 20, window=1 << 20) + widen(0, 1 << 20))
    _begin(session, 1, _LARGE)
    assert _uploaded(session) == [_LARGE.message]


def test_small_messages_wait_behind_large_ones_for_the_connections_window():
    session = _session(settings(window=1 << 20))
    session.start(0, _LARGE)
    session.start(1, _CALL)
    assert {found.stream for found in _written(session) if found.kind == DATA} == {1}
    session.feed(widen(0, 1 << 20), 0.0)
    sent = [found for found in _written(session) if found.kind == DATA]
    assert [found.stream for found in sent] == [1] * 9 + [3]
    assert sent[-1].flags == sent[-2].flags == END_STREAM


def test_upload_ends_when_the_answer_comes_first():
    session = _session()
    session.start(0, _LARGE)
    _written(session)
    assert _result(session, tail(1, (*OK_HEAD, ("grpc-status", "3")))) == ("grpc INVALID_ARGUMENT", "")
    assert _written(session) == [Frame(RST_STREAM, 0, 1, (8).to_bytes(4, "big"))]
    session.feed(reset(1, 0) + widen(0, 1 << 20), 0.0)
    assert _written(session) == []
    # Known headers make no difference.
    session.start(1, _CALL)
    assert _result(session, answer(3)) is None
    session.start(2, _VERY_LARGE)
    _written(session)
    assert _result(session, answer(5)) is None
    assert [found.kind for found in _written(session)] == [RST_STREAM]


def test_streams_are_as_many_as_the_server_takes():
    session = Session(streaming=False)
    _begin(session, 99)
    assert session.has_room
    _begin(session, 1)
    assert not session.has_room  # before it said how many
    session.feed(settings(), 0.0)
    assert session.has_room
    session.feed(settings(streams=100), 0.0)
    assert not session.has_room
    session.feed(answer(1), 0.0)
    assert session.has_room


def test_no_call_begins_after_the_last_stream_number():
    session = _session()
    session._next = 2**31 - 3
    session.start(0, _CALL)
    assert session.has_room
    session.start(1, _CALL)
    assert session.retired
    assert not session.has_room
    assert [ended.failure for ended in _feed(session, answer(2**31 - 3) + answer(2**31 - 1))] == [None, None]


def test_going_away_fails_what_was_not_begun_and_lets_the_rest_end():
    session = _session()
    _begin(session, 3)
    (unbegun,) = _feed(session, goaway(3, 11, b"too many  pings"))
    assert unbegun.index == 2
    assert unbegun.failure == (
        "reset",
        "the server accepts no more calls (GOAWAY ENHANCE_YOUR_CALM: too many pings)",
    )
    assert session.retired
    assert session.failure is None
    assert [ended.index for ended in _feed(session, answer(3))] == [1]
    session.end()
    assert session.failure == (
        "reset",
        "the server closed the connection (GOAWAY ENHANCE_YOUR_CALM: too many pings)",
    )
    assert len(session.streams) == 1


_GARBAGE = {
    "http 1": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "no settings first": frame(PING, 0, 0, bytes(8)),
}
_GARBAGE_LATER = {
    "too long": b"\x10\x00\x01" + frame(DATA, 0, 1)[3:],
    "data on no stream": frame(DATA, 0, 0, b"x"),
    "data on a stream not opened": frame(DATA, 0, 5, b"x"),
    "answer on a stream not opened": answer(2),
    "reset of a stream not opened": reset(9, 0),
    "push": frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)),
    "settings cut short": frame(SETTINGS, 0, 0, bytes(5)),
    "window too large": settings(window=2**31),
    "frames too small": settings(frame=100),
    "window widened by nothing": widen(0, 0),
    "window widened too far": widen(0, 2**31 - 1),
    "continuation alone": frame(CONTINUATION, END_HEADERS, 1, block(OK_HEAD)),
    "headers interrupted": frame(HEADERS, 0, 1, block(OK_HEAD)) + frame(PING, 0, 0, bytes(8)),
    "headers continued elsewhere": frame(HEADERS, 0, 1) + frame(CONTINUATION, END_HEADERS, 3, block(OK_HEAD)),
    "headers without end": frame(HEADERS, 0, 1, b"\0" * 70_000),
    "unknown index": frame(HEADERS, END_HEADERS, 1, b"\xff\xff\x01"),
    "headers cut short": frame(HEADERS, END_HEADERS, 1, block(OK_HEAD)[:-3]),
    "too much padding": frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09abc"),
    "padding without a length": frame(DATA, PADDED, 1),
    "reset cut short": frame(RST_STREAM, 0, 1, b"\0"),
    "goaway cut short": frame(GOAWAY, 0, 0, bytes(6)),
}


@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize("name", [*_GARBAGE, *_GARBAGE_LATER])
def test_garbage_makes_the_connection_useless_and_never_more(name, piece):
    session = Session(streaming=False) if name in _GARBAGE else _session()
    _begin(session, 2)
    data = _GARBAGE.get(name) or _GARBAGE_LATER[name]
    assert _feed(session, data, piece) == []
    kind, detail = session.failure
    assert kind == "bad response"
    assert detail
    assert len(session.streams) == 2


@pytest.mark.parametrize("streaming", [False, True])
def test_damaged_answers_end_calls_at_most_once_and_raise_nothing(streaming):
    random.seed(5)
    good = b"".join(_ODD_ANSWERS.values()) + b"".join(answer(stream) for stream in (3, 5, 7))
    for _ in range(2000):
        session = _session(streaming=streaming)
        _begin(session, 4, _LARGE)
        data = bytearray(good)
        for _ in range(random.randint(1, 4)):
            data[random.randrange(len(data))] = random.randrange(256)
        piece = random.choice((5, 50, 5000))
        indices = [stream.index for start in range(0, len(data), piece) if session.failure is None
                   for stream in session.feed(bytes(data[start : start + piece]), 1.0)]  # fmt: skip
        assert sorted([*indices, *(stream.index for stream in session.streams.values())]) == [0, 1, 2, 3]


def test_windows_are_widened_again_by_what_was_received():
    session = _session()
    _begin(session, 2)
    _written(session)
    part = frame(DATA, 0, 1, bytes(1 << 20))[: 9 + 100]
    session.feed(head(1), 1.0)
    for number in range(2050):
        assert session.feed(part, 1.0) == []
        assert session.skippable == (1 << 20) - 100
        session.skip(session.skippable)
        assert bool(session.pieces) == (number in (1023, 2047))
        if session.pieces:
            received = [(found.stream, found.number) for found in _written(session) if found.kind == WINDOW_UPDATE]
            assert received == [(0, 1 << 30), (1, 1 << 30)]
    assert _result(session, frame(DATA, 0, 1, b"end") + tail(1)) is None


def test_nothing_of_a_streamed_or_failed_response_is_skipped():
    data = head(1) + frame(DATA, 0, 1, message(bytes(1000)))[:100]
    session = _session(streaming=True)
    _begin(session, 1)
    session.feed(data, 1.0)
    assert session.skippable == 0
    session = _session()
    _begin(session, 1)
    session.feed(data.replace(b"\x03200", b"\x03502"), 1.0)
    assert session.skippable == 0


_ERROR = message(b"\x0a\x05wrong")
_RESPONSE = message(b"\x12\x03abc")


@pytest.mark.parametrize("piece", [1, 4, 1 << 20])
def test_streamed_responses_are_counted_and_the_first_is_timed(piece):
    session = _session(streaming=True)
    _begin(session, 1)
    assert not session.feed(head(1) + frame(DATA, 0, 1, _RESPONSE[:3]), 1.0)
    assert not session.feed(frame(DATA, 0, 1, _RESPONSE[3:] + _RESPONSE + _RESPONSE[:1]), 2.0)
    (ended,) = _feed(session, frame(DATA, 0, 1, _RESPONSE[1:] + message()) + tail(1), piece)
    assert ended.failure is None
    assert ended.messages.count == 4
    assert ended.messages.first_at == 2.0


@pytest.mark.parametrize(
    ("content", "failure", "count"),
    [
        (_ERROR, ("grpc stream error", "wrong"), 0),
        (_RESPONSE + message(b"\x12\x01a\x0a\x05worse") + _ERROR, ("grpc stream error", "worse"), 1),
        (message(b"\x0a\x00" + b"\x18\x96\x01" + b"\x25abcd" + b"\x29abcdefgh"), None, 1),
        (_RESPONSE + _RESPONSE[:-1], ("bad response", "a message was cut short"), 1),
    ],
)
def test_error_in_a_streamed_response_fails_the_call(content, failure, count):
    session = _session(streaming=True)
    _begin(session, 1)
    (ended,) = _feed(session, head(1) + frame(DATA, 0, 1, content) + tail(1))
    assert ended.failure == failure
    assert ended.messages.count == count


@pytest.mark.parametrize(
    "content",
    [
        b"\x01" + message(b"compressed")[1:],
        message(b"\x0a\x09cut"),
        message(b"\x0b"),
        message(b"\x25abc"),
        message(b"\xff"),
    ],
)
def test_what_is_no_streamed_response_makes_the_connection_useless(content):
    session = _session(streaming=True)
    _begin(session, 1)
    assert _feed(session, head(1) + frame(DATA, 0, 1, content)) == []
    assert session.failure[0] == "bad response"
