"""One outstanding call on a connection, and the response so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotune.load._outputs import KEPT_BYTES
from autotune.load.grpc._messages import MessageReader

if TYPE_CHECKING:
    from autotune.load._transport import Failure

_KEPT_BODY_BYTES = 2048


class Stream:
    """The state of one call.

    Attributes:
        index: Its request.
        began_at: When its response began to arrive, in seconds of `time.perf_counter`; 0 before.
        received: Bytes of its DATA frames so far.
        credited: How many of those were given back to its window.
        beginning: The first bytes of its content, with the prefix of the message.
        plain: Whether the content need not be parsed: one message is expected, and nothing was wrong so far.
        messages: The messages of a streamed response; None if one message is the response.
        failure: What is wrong with the response; None if nothing so far.
    """

    # One object per request: class attributes cost nothing to set.
    began_at = 0.0
    received = 0
    beginning = b""
    credited = 0
    plain = True
    messages: MessageReader | None = None
    failure: Failure | None = None
    _body: bytearray | None = None

    def __init__(self, index: int) -> None:
        self.index = index

    def expect_messages(self) -> None:
        """The response is a stream of messages."""
        self.plain = False
        self.messages = MessageReader()

    def begin_failure(self, failure: Failure) -> None:
        """The response is not the expected one: what follows is kept as text."""
        self.failure = failure
        self.plain = False
        self._body = bytearray()

    def take(self, data: bytes, now: float) -> None:
        """Takes the next bytes of the response's content.

        Raises:
            BadFrames: They are no messages.
        """
        self.received += len(data)
        if len(self.beginning) < KEPT_BYTES:
            self.beginning += data[: KEPT_BYTES - len(self.beginning)]
        if self._body is not None:
            self._body += data[: _KEPT_BODY_BYTES - len(self._body)]
        elif self.messages is not None:
            self.messages.feed(data, now)

    def end(self, failure: Failure | None) -> None:
        """The response ended; an earlier failure takes precedence."""
        if self._body is not None and self.failure is not None:
            kind, detail = self.failure
            self.failure = kind, detail or " ".join(self._body.decode("utf-8", "replace").split())
        elif failure is not None:
            self.failure = failure
        elif self.messages is None:
            self.failure = None if self.received else ("bad response", "no message before the status")
        elif self.messages.cut_short:
            self.failure = "bad response", "a message was cut short"
        elif self.messages.error:
            self.failure = "grpc stream error", self.messages.error
