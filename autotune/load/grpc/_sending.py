"""The bytes one connection has to write: calls, as far as the server's flow control allows, and other frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.load.grpc._frames import (
    DATA,
    DEFAULT_FRAME_BYTES,
    DEFAULT_WINDOW_BYTES,
    ENABLE_PUSH,
    END_STREAM,
    HEADER,
    HEADER_TABLE_SIZE,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME_BYTES,
    LARGEST_WINDOW_BYTES,
    MAX_FRAME_SIZE,
    NUMBER,
    PREFACE,
    BadFrames,
    settings_frame,
    window_update,
)

if TYPE_CHECKING:
    from autotune.load.grpc._call import Call

# Long frames make long responses cheap to take; without a limit garbage would look like the start of one.
LARGEST_RESPONSE_FRAME_BYTES = 1 << 20
# No table: then the same headers are the same bytes in every response. Windows as wide as they can be: the server
# never waits for us.
_GREETING = (
    PREFACE
    + settings_frame(
        {
            HEADER_TABLE_SIZE: 0,
            ENABLE_PUSH: 0,
            INITIAL_WINDOW_SIZE: LARGEST_WINDOW_BYTES,
            MAX_FRAME_SIZE: LARGEST_RESPONSE_FRAME_BYTES,
        }
    )
    + window_update(0, LARGEST_WINDOW_BYTES - DEFAULT_WINDOW_BYTES)
)


class _Upload:
    """The part of a call's message that could not be sent at once, and its stream's window."""

    __slots__ = ("rest", "window")

    def __init__(self, rest: memoryview, window: int) -> None:
        self.rest = rest
        self.window = window


class Sender:
    """Turns calls into frames, within the limits that the server sets (RFC 9113, sections 5.2 and 6.9).

    Attributes:
        pieces: Bytes to write, in order; the writer removes them.
        bulky: Whether `pieces` holds parts of large messages, better not copied; the writer resets it.
        uploads: Messages that are only sent in part, by stream number.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes | memoryview] = [_GREETING]
        self.bulky = False
        self._window = DEFAULT_WINDOW_BYTES
        self._initial_window = DEFAULT_WINDOW_BYTES
        self._frame_bytes = DEFAULT_FRAME_BYTES
        # A message up to this size fits into one frame and into a new stream's window.
        self._at_once = min(self._frame_bytes, self._initial_window)
        self.uploads: dict[int, _Upload] = {}

    def send(self, number: int, call: Call) -> None:
        """Sends a call on the new stream ``number``."""
        stream = NUMBER.pack(number)
        size = call.size
        if size <= self._at_once and size <= self._window:
            self._window -= size
            self.pieces += (call.head, stream, call.block_and_data_head, stream, call.message)
        else:
            self.pieces += (call.head, stream, call.block)
            self.uploads[number] = _Upload(memoryview(call.message), self._initial_window)
            self._upload()

    def cancel(self, number: int) -> bool:
        """Stops sending on a stream; whether anything was left to send."""
        return self.uploads.pop(number, None) is not None

    def settle(self, key: int, value: int) -> None:
        """Applies one of the server's settings.

        Raises:
            BadFrames: A value that the protocol does not allow.
        """
        if key == INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW_BYTES:
                raise BadFrames(f"SETTINGS_INITIAL_WINDOW_SIZE of {value}")
            for upload in self.uploads.values():
                upload.window += value - self._initial_window
            self._initial_window = value
        elif key == MAX_FRAME_SIZE:
            if not DEFAULT_FRAME_BYTES <= value <= LARGEST_FRAME_BYTES:
                raise BadFrames(f"SETTINGS_MAX_FRAME_SIZE of {value}")
            self._frame_bytes = value
        self._at_once = min(self._frame_bytes, self._initial_window)
        self._upload()

    def widen(self, number: int, increment: int) -> None:
        """Widens the window of a stream, or of the connection (0).

        Raises:
            BadFrames: By nothing, or beyond what the protocol allows.
        """
        if increment == 0:
            raise BadFrames("a WINDOW_UPDATE of 0")
        if number == 0:
            self._window += increment
            if self._window > LARGEST_WINDOW_BYTES:
                raise BadFrames("a WINDOW_UPDATE beyond the largest window")
        elif (upload := self.uploads.get(number)) is not None:
            upload.window += increment
        else:
            return  # all of that stream's message is on its way
        self._upload()

    def _upload(self) -> None:
        """Sends as much of the waiting messages as the windows allow, the oldest first."""
        for number, upload in list(self.uploads.items()):
            while upload.rest:
                size = min(len(upload.rest), self._frame_bytes, self._window, upload.window)
                if size <= 0:
                    break
                last = size == len(upload.rest)
                head = HEADER.pack(size >> 8, size & 0xFF, DATA, END_STREAM if last else 0, number)
                self.pieces += (head, upload.rest[:size])
                self.bulky = True
                upload.rest = upload.rest[size:]
                upload.window -= size
                self._window -= size
            if not upload.rest:
                del self.uploads[number]
            if self._window <= 0:
                return
