"""One HTTP/2 connection's state, without its socket: bytes in, ended calls and bytes to write out."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from autotune.load._outputs import KEPT_BYTES
from autotune.load.grpc import _frames as http2
from autotune.load.grpc._frames import DATA, HEADER, HEADERS, NUMBER, BadFrames, frame
from autotune.load.grpc._headers import HeaderReader
from autotune.load.grpc._sending import LARGEST_RESPONSE_FRAME_BYTES, Sender
from autotune.load.grpc._stream import Stream

if TYPE_CHECKING:
    from autotune.load._transport import Failure
    from autotune.load.grpc._call import Call

_HEADER_BYTES = HEADER.size
_MOST_BLOCK_BYTES = 1 << 16
# Received bytes after which the server's windows are widened again: half of what they begin with.
_WIDEN_BYTES = 1 << 30
# Until the server sends its limit. RFC 9113 recommends no fewer.
_STREAMS_AT_FIRST = 100
_WHOLE_TAIL = http2.END_HEADERS | http2.END_STREAM


class Session:
    """The calls of a connection, each on a stream of its own.

    Attributes:
        pieces: Bytes to write, in order; the writer removes them.
        streams: The outstanding calls by stream number.
        failure: Why the connection can no longer be used; None while it can.
        begun: The calls whose first streamed response came since the list was last cleared.
        retired: Whether it takes no more calls; those outstanding may still succeed.
        data_left: Bytes of the current DATA frame that have not arrived yet.
    """

    def __init__(self, *, streaming: bool) -> None:
        self.sender = Sender()
        self.begun: list[Stream] = []
        self.pieces = self.sender.pieces
        self.streams: dict[int, Stream] = {}
        self.failure: Failure | None = None
        self.retired = False
        self.data_left = 0
        self._streaming = streaming
        self._headers = HeaderReader()
        self._next = 1
        self._most_streams: float = _STREAMS_AT_FIRST
        self._ended: list[Stream] = []
        # The only type that the next frame may have; None if any may come.
        self._expected: int | None = http2.SETTINGS
        self._rest = b""
        # The DATA frame that has only arrived in part.
        self._data_number = self._data_flags = 0
        # The header block that continues in the next frame: its stream, its flags, its bytes so far.
        self._block_number = self._block_flags = 0
        self._block = b""
        self._uncredited = 0
        self._farewell = ""

    @property
    def has_room(self) -> bool:
        """Whether another call may begin now."""
        return len(self.streams) < self._most_streams and not self.retired

    @property
    def skippable(self) -> int:
        """The next bytes that need not be parsed."""
        if not self.data_left or self._data_flags:
            return 0
        stream = self.streams.get(self._data_number)
        return self.data_left if stream is None or stream.plain else 0

    def start(self, index: int, call: Call) -> None:
        """Begins a call for request ``index``."""
        number = self._next
        self._next = number + 2
        if self._next > http2.LARGEST_NUMBER:
            self.retired = True
        self.streams[number] = stream = Stream(index)
        if self._streaming:
            stream.expect_messages()
        self.sender.send(number, call)

    def feed(self, data: bytes, now: float) -> list[Stream]:
        """Parses bytes received at ``now``; returns the calls that ended with them, successful or not.

        Afterwards `failure` may be set; the calls outstanding then will not end.
        """
        self._ended = []
        try:
            self._take(data, now)
            if self._uncredited >= _WIDEN_BYTES:
                self._credit()
        except BadFrames as error:
            self.failure = ("bad response", str(error))
        return self._ended

    def skip(self, count: int) -> None:
        """Accounts for ``count`` received bytes, at most `skippable`, that were dropped."""
        stream = self.streams.get(self._data_number)
        if stream is not None:
            stream.received += count
        self.data_left -= count
        self._uncredited += count
        if self._uncredited >= _WIDEN_BYTES:
            self._credit()

    def end(self) -> None:
        """The server closed the connection."""
        self.failure = self.failure or ("reset", f"the server closed the connection{self._farewell}")

    def _take(self, data: bytes, now: float) -> None:
        if self._rest:
            data, self._rest = self._rest + data, b""
        position = self._take_more_data(data, now) if self.data_left else 0
        end = len(data)
        streams, uploads, unpack = self.streams, self.sender.uploads, HEADER.unpack_from
        heads, tails = self._headers.good_heads, self._headers.good_tails
        while end - position >= _HEADER_BYTES:
            high, low, kind, flags, number = unpack(data, position)
            length = high << 8 | low
            if self._expected is not None and kind != self._expected:
                raise BadFrames(f"not what an HTTP/2 server sends: {data[position : position + 40]!r}")
            if length > LARGEST_RESPONSE_FRAME_BYTES:
                raise BadFrames(f"a frame of {length} bytes")
            start = position + _HEADER_BYTES
            stop = start + length
            stream = streams.get(number)
            # Fast path for nearly all responses: a known head, a message that is not parsed, a known tail.
            if stream is not None and stream.plain and stop <= end:
                position = stop
                if kind == DATA and not flags:
                    if not stream.received:
                        stream.beginning = data[start : min(stop, start + KEPT_BYTES)]
                    stream.received += length
                    self._uncredited += length
                    continue
                if kind == HEADERS:
                    if flags == http2.END_HEADERS and data[start:stop] in heads:
                        stream.began_at = now
                        continue
                    if flags == _WHOLE_TAIL and stream.received and not uploads and data[start:stop] in tails:
                        del streams[number]
                        self._ended.append(stream)
                        continue
            elif stop > end:
                if kind == DATA and not flags & http2.PADDED:
                    self._data_number, self._data_flags, self.data_left = number, flags, stop - end
                    self._take_data(number, 0, data[start:], now)
                    return
                break
            position = stop
            self._take_frame(kind, flags, number & http2.LARGEST_NUMBER, data[start:stop], now)
        self._rest = data[position:]

    def _take_more_data(self, data: bytes, now: float) -> int:
        """Takes the next part of the current DATA frame; returns where that ends in ``data``."""
        portion = data[: self.data_left]
        self.data_left -= len(portion)
        self._take_data(self._data_number, 0 if self.data_left else self._data_flags, portion, now)
        return len(portion)

    def _take_frame(self, kind: int, flags: int, number: int, payload: bytes, now: float) -> None:
        if kind == DATA:
            self._uncredited += len(payload)
            content = http2.unpadded(flags & http2.PADDED, payload)
            self._uncredited -= len(content)
            self._take_data(number, flags, content, now)
        elif kind == HEADERS:
            self._take_block(number, flags, http2.unpadded(flags, payload), now)
        elif kind == http2.CONTINUATION:
            if self._expected is None or number != self._block_number:
                raise BadFrames("CONTINUATION without HEADERS")
            self._take_block(number, self._block_flags | flags & http2.END_HEADERS, self._block + payload, now)
        elif kind == http2.RST_STREAM:
            if (stream := self._stream(number)) is not None:
                self._end(
                    number, stream, (f"http2 {http2.error_name(_number(payload))}", "the server reset the stream")
                )
        elif kind == http2.SETTINGS:
            self._take_settings(flags, payload)
        elif kind == http2.PUSH_PROMISE:
            raise BadFrames("a PUSH_PROMISE, which this client does not allow")
        elif kind == http2.PING:
            if not flags & http2.ACK:
                self.pieces.append(frame(http2.PING, http2.ACK, 0, payload))
        elif kind == http2.GOAWAY:
            self._take_goaway(payload)
        elif kind == http2.WINDOW_UPDATE:
            self.sender.widen(number, _number(payload) & http2.LARGEST_NUMBER)

    def _take_data(self, number: int, flags: int, content: bytes, now: float) -> None:
        self._uncredited += len(content)
        if (stream := self._stream(number)) is None:
            return
        stream.take(content, now)
        if stream.messages is not None and stream.messages.first_at == now:
            self.begun.append(stream)
        if flags & http2.END_STREAM:
            self._end(number, stream, ("bad response", "no grpc-status"))

    def _take_block(self, number: int, flags: int, block: bytes, now: float) -> None:
        if not flags & http2.END_HEADERS:
            if len(block) > _MOST_BLOCK_BYTES:
                raise BadFrames(f"headers of more than {_MOST_BLOCK_BYTES} bytes")
            self._expected = http2.CONTINUATION
            self._block_number, self._block_flags, self._block = number, flags, block
            return
        self._expected, self._block = None, b""
        if (stream := self._stream(number)) is None:
            self._headers.skip(block)
            return
        whole = not stream.began_at
        stream.began_at = stream.began_at or now
        if flags & http2.END_STREAM:
            self._end(number, stream, self._headers.tail(block, whole=whole))
        elif (failure := self._headers.head(block)) is not None:
            stream.begin_failure(failure)

    def _take_settings(self, flags: int, payload: bytes) -> None:
        if flags & http2.ACK:
            return
        if len(payload) % 6:
            raise BadFrames(f"SETTINGS of {len(payload)} bytes")
        if self._expected == http2.SETTINGS:
            self._expected, self._most_streams = None, math.inf
        for key, value in struct.iter_unpack(">HL", payload):
            if key == http2.MAX_CONCURRENT_STREAMS:
                self._most_streams = value
            self.sender.settle(key, value)
        self.pieces.append(frame(http2.SETTINGS, http2.ACK, 0))

    def _take_goaway(self, payload: bytes) -> None:
        last, error = _number(payload) & http2.LARGEST_NUMBER, _number(payload[4:])
        self.retired = True
        words = " ".join(payload[8:].decode("utf-8", "replace").split())
        self._farewell = f" (GOAWAY {http2.error_name(error)}{': ' + words if words else ''})"
        for number in [number for number in self.streams if number > last]:
            self._end(number, self.streams[number], ("reset", f"the server accepts no more calls{self._farewell}"))

    def _end(self, number: int, stream: Stream, failure: Failure | None) -> None:
        del self.streams[number]
        if self.sender.cancel(number):
            self.pieces.append(frame(http2.RST_STREAM, 0, number, NUMBER.pack(http2.CANCEL)))
        stream.end(failure)
        self._ended.append(stream)

    def _stream(self, number: int) -> Stream | None:
        """The call on a stream; None if it has ended.

        Raises:
            BadFrames: It never began.
        """
        stream = self.streams.get(number)
        if stream is None and not (number & 1 and number < self._next):
            raise BadFrames(f"a response on stream {number}, which was not opened")
        return stream

    def _credit(self) -> None:
        """Widens the windows by what was received: those of the connection and of every stream still open."""
        self.pieces.append(http2.window_update(0, self._uncredited))
        self._uncredited = 0
        for number, stream in self.streams.items():
            if stream.received > stream.credited:
                self.pieces.append(http2.window_update(number, stream.received - stream.credited))
                stream.credited = stream.received


def _number(payload: bytes) -> int:
    """The four bytes that a frame's payload begins with.

    Raises:
        BadFrames: There are fewer.
    """
    if len(payload) < NUMBER.size:
        raise BadFrames("a frame that is too short")
    return int.from_bytes(payload[:4], "big")
