"""Latency histograms as the database has them: a study of hundreds of trials keeps all of its windows in memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

_BIN = struct.Struct("<dq")


class PackedHistogram(Sequence[tuple[float, int]]):
    """Bins as ``(upper edge in seconds, count)``, compressed; equal to the tuple of the same bins.

    As Python objects a window takes about 100 bytes for each bin, packed less than 5.

    Raises:
        zlib.error, struct.error: When it is read, if the bytes are damaged.
    """

    __slots__ = ("packed",)

    def __init__(self, packed: bytes) -> None:
        self.packed = packed

    @classmethod
    def of(cls, bins: Iterable[tuple[float, int]]) -> PackedHistogram:
        """The same bins, packed."""
        if isinstance(bins, PackedHistogram):
            return bins
        return cls(zlib.compress(b"".join(_BIN.pack(edge, count) for edge, count in bins)))

    def __iter__(self) -> Iterator[tuple[float, int]]:
        yield from _BIN.iter_unpack(zlib.decompress(self.packed))

    def __len__(self) -> int:
        return len(zlib.decompress(self.packed)) // _BIN.size

    @overload
    def __getitem__(self, index: int) -> tuple[float, int]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[float, int], ...]: ...
    def __getitem__(self, index: int | slice) -> tuple[float, int] | tuple[tuple[float, int], ...]:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))
