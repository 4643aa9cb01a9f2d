"""The header blocks of a response; only blocks not seen before are decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

import hpack

from autotune.load.grpc._frames import BadFrames

if TYPE_CHECKING:
    from autotune.load._transport import Failure

_STATUS_NAMES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
_KEPT_BLOCKS = 64
_MOST_DIGITS = 9  # of a status


class HeaderReader:
    """Decodes the header blocks of one connection.

    A block that neither used nor changed the table of earlier fields means the same whenever it comes again, so it
    is then recognised by its bytes. A server asked for a table of size 0 sends no others.

    Attributes:
        good_heads: Blocks known to begin a good response.
        good_tails: Blocks known to end a good response.
    """

    def __init__(self) -> None:
        self.good_heads: set[bytes] = set()
        self.good_tails: set[bytes] = set()
        self._decoder = hpack.Decoder()

    def head(self, block: bytes) -> Failure | None:
        """What is wrong with a response that begins with ``block``; None where nothing is so far.

        Raises:
            BadFrames: It cannot be decoded.
        """
        if block in self.good_heads:
            return None
        headers, lasting = self._decode(block)
        status = headers.get(":status", "")
        if status.startswith("1"):
            return None
        failure = _http_failure(headers)
        if failure is None and lasting:
            _keep(self.good_heads, block)
        return failure

    def tail(self, block: bytes, *, whole: bool) -> Failure | None:
        """What is wrong with a response that ends with ``block``; None where it is good.

        ``whole``: The block is all of the response.

        Raises:
            BadFrames: It cannot be decoded.
        """
        if not whole and block in self.good_tails:
            return None
        headers, lasting = self._decode(block)
        failure = (_http_failure(headers) if whole else None) or _grpc_failure(headers)
        if failure is None and lasting and not whole:
            _keep(self.good_tails, block)
        return failure

    def skip(self, block: bytes) -> None:
        """Decodes a block whose call has ended, as it may change the table.

        Raises:
            BadFrames: It cannot be decoded.
        """
        self._decode(block)

    def _decode(self, block: bytes) -> tuple[dict[str, str], bool]:
        """The fields, and whether the same bytes will mean the same again."""
        decoder = self._decoder
        size, empty = decoder.header_table_size, not decoder.header_table.dynamic_entries
        try:
            fields = decoder.decode(block, raw=True)
        except hpack.HPACKError as error:
            raise BadFrames(f"headers that cannot be decoded: {error}") from error
        if decoder.header_table_size != size:
            self.good_heads.clear()
            self.good_tails.clear()
        lasting = empty and decoder.header_table_size == size and not decoder.header_table.dynamic_entries
        return {_text(name): _text(value) for name, value in fields}, lasting


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _keep(blocks: set[bytes], block: bytes) -> None:
    if len(blocks) < _KEPT_BLOCKS:
        blocks.add(block)


def _http_failure(headers: dict[str, str]) -> Failure | None:
    status = headers.get(":status", "")
    if status != "200":
        return (f"http {status}", "") if status.isdigit() else ("bad response", f":status is {status[:40]!r}")
    content_type = headers.get("content-type", "")
    if not content_type.startswith("application/grpc"):
        return "bad response", f"content-type is {content_type[:40]!r}"
    return None


def _grpc_failure(headers: dict[str, str]) -> Failure | None:
    status = headers.get("grpc-status", "")
    if status == "0":
        return None
    if not (status.isascii() and status.isdigit() and len(status) <= _MOST_DIGITS):
        return "bad response", f"grpc-status is {status[:40]!r}" if status else "no grpc-status"
    code = int(status)
    name = _STATUS_NAMES[code] if code < len(_STATUS_NAMES) else status
    return f"grpc {name}", " ".join(unquote(headers.get("grpc-message", ""), errors="replace").split())
