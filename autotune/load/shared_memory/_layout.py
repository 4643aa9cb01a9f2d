"""Where the tensors of requests lie in a shared-memory region. Nothing here touches memory or a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from autotune.load.payload import tensor_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from autotune.load.payload import Payload

# A cache line, and more than any datatype needs.
_ALIGNMENT_BYTES = 64
# Where a tensor without elements lies. Triton 2.51 takes offset + size - 1 for the last byte, which below 0 is refused.
_NOWHERE = 1


@dataclass(frozen=True)
class Extent:
    """Where one tensor lies: ``byte_size`` bytes at ``offset`` of the region that the server knows by ``region``."""

    region: str
    offset: int
    byte_size: int

    @property
    def parameters(self) -> dict[str, str | int]:
        """The parameters of a request's input or output, as Triton's shared-memory extension names them."""
        return {
            "shared_memory_region": self.region,
            "shared_memory_offset": self.offset,
            "shared_memory_byte_size": self.byte_size,
        }


@dataclass(frozen=True)
class Placement:
    """Where the tensors of one request lie.

    Attributes:
        inputs: The payload's inputs, in its order.
        outputs: Outputs by name. The server puts those there, and answers with no others.
    """

    inputs: tuple[Extent, ...]
    outputs: Mapping[str, Extent] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """A region with the inputs of every payload, followed by slots that hold the outputs of one request each.

    Attributes:
        payloads: The payloads, sent in turn.
        inputs: Where the inputs of each payload lie.
        slots: Where the outputs of requests in flight go; consecutive requests use different ones.
        byte_size: The size of the region; at least 1.
    """

    payloads: tuple[Payload, ...]
    inputs: tuple[tuple[Extent, ...], ...]
    slots: tuple[Mapping[str, Extent], ...]
    byte_size: int

    @classmethod
    def of(cls, region: str, payloads: Sequence[Payload], output_bytes: Mapping[str, int], slots: int) -> Layout:
        """The layout of a region named ``region``, with ``slots`` of the given output sizes in bytes."""
        end = 0

        def place(byte_size: int) -> Extent:
            nonlocal end
            if not byte_size:
                return Extent(region, _NOWHERE, 0)
            extent = Extent(region, end, byte_size)
            end += _aligned(byte_size)
            return extent

        return cls(
            payloads=tuple(payloads),
            inputs=tuple(tuple(place(len(tensor_bytes(each))) for each in payload.inputs) for payload in payloads),
            slots=tuple({name: place(size) for name, size in output_bytes.items()} for _ in range(slots)),
            byte_size=max(end, 1),
        )

    def requests(self, build: Callable[[Payload, Placement], bytes]) -> tuple[bytes, ...]:
        """The requests to send in turn: the payloads over and over, until each slot had its turn.

        Where the slots are not a multiple of the payloads, or fewer than the requests in flight, some of these
        share a slot. The server then overwrites one's outputs with another's; a load reads neither.
        """
        rounds = -(-len(self.slots) // len(self.payloads))
        return tuple(
            build(
                self.payloads[index % len(self.payloads)],
                Placement(self.inputs[index % len(self.payloads)], self.slots[index % len(self.slots)]),
            )
            for index in range(rounds * len(self.payloads))
        )


def bytes_per_slot(output_bytes: Mapping[str, int]) -> int:
    """How much of a region one slot takes."""
    return sum(map(_aligned, output_bytes.values()))


def _aligned(byte_size: int) -> int:
    return -(-byte_size // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
