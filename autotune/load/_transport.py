"""What a protocol provides to the event loop: requests over non-blocking connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import select

    from autotune.load._mix import Turns
    from autotune.load._sequences import Step

Failure = tuple[str, str]
"""The kind under which a failed request is counted, and the failure in words."""


class Results(Protocol):
    """Where a transport reports how requests end. Times are seconds of `time.perf_counter`."""

    def succeed(self, index: int, at: float) -> None:
        """Request ``index`` was answered."""

    def fail(self, index: int, failure: Failure, at: float, *, answered: bool) -> None:
        """Request ``index`` failed; ``answered``: the server itself refused it, rather than the connection."""

    def stream(self, index: int, first_at: float, responses: int) -> None:
        """Request ``index``, streamed, had so many more responses, the first of all at ``first_at`` (infinite: it
        failed, or had none).
        """


class Transport(Protocol):
    """The connections of one generator.

    Attributes:
        epoll: Watches every connection.
        send_s: Seconds spent in handing requests to the system, since `prepare`.
        receive_s: Seconds spent in taking responses, from the first byte of each to the last, since `prepare`.
    """

    epoll: select.epoll
    send_s: float
    receive_s: float

    def prepare(self, results: Results) -> None:
        """Gets ready for a run: closes connections that ended since the last one."""

    def take_turns(self, turns: Turns) -> None:
        """Sends the requests of several models in this order from now on."""

    def begin(self, index: int, step: Step | None = None) -> bool:
        """Begins request ``index``; False where no connection can take another one now.

        ``step`` is what it says of its sequence; None where the model takes none.

        Raises:
            OSError: No connection can be opened.
        """

    def flush(self) -> None:
        """Writes what was begun."""

    def handle(self, fd: int, event: int) -> None:
        """Takes an event of ``epoll``; reports each request that ended with it."""

    def abandon(self, failure: Failure) -> None:
        """Closes the connections that have requests outstanding, and fails these."""

    def close(self) -> None:
        """Closes all connections."""
