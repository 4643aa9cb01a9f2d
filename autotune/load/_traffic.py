"""The content of requests and how they are sent, as the user chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from autotune.load.payload import PayloadData, Shape, content_digest

OWN_CLIENT = "autotune"
PERF_ANALYZER = "perf_analyzer"
CLIENTS = (OWN_CLIENT, PERF_ANALYZER)
GENERATED = get_args(PayloadData)
"""Input data that is generated."""


@dataclass(frozen=True)
class Traffic:
    """The same for every config that is to be compared.

    Attributes:
        protocol: ``http`` or ``grpc``.
        input_data: ``random``, ``zero``, or paths of files and directories of inputs as perf_analyzer reads them.
        payloads: Different requests of generated data, sent in turn.
        shapes: Shapes of inputs with dynamic dimensions, batch dimension left out; sizes may be drawn.
        batch_size: Inferences in one request.
        seed: Seed of random input data.
        streaming: Whether responses come as a gRPC stream, which decoupled models need.
        shared_memory: Whether tensors pass through system shared memory instead of the wire.
        sequence_length: Requests of a sequence on average; None: as many as its stream has, or perf_analyzer's default.
        sequences: Sequences of an open loop that are unfinished at a time; None: as many as are needed.
        client: Who sends: this package or perf_analyzer.
        perf_analyzer: The perf_analyzer binary where that is the client; None: the one on PATH.
    """

    protocol: str = "http"
    input_data: str | Sequence[str] = "random"
    payloads: int = 1
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    batch_size: int = 1
    seed: int = 0
    streaming: bool = False
    shared_memory: bool = False
    sequence_length: int | None = None
    sequences: int | None = None
    client: str = OWN_CLIENT
    perf_analyzer: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files and directories that the requests come from; none if they are generated."""
        if self.input_data in GENERATED:
            return ()
        return tuple(map(Path, (self.input_data,) if isinstance(self.input_data, str) else self.input_data))

    def _data(self) -> str:
        """The source of the requests' data; for files with a digest of their content."""
        if not self.files:
            return str(self.input_data)
        return f"{', '.join(map(str, self.files))} ({content_digest(self.files)[:12]})"

    def conditions(self) -> str:
        """The conditions of the requests, in words; measurements under other conditions cannot be compared."""
        words = [self.protocol, f"{self._data()} data", f"batch size {self.batch_size}"]
        words += [f"{name} of shape {','.join(map(str, shape))}" for name, shape in sorted(self.shapes.items())]
        if self.payloads > 1:
            words.append(f"{self.payloads} payloads")
        words += [
            name for name, chosen in (("streaming", self.streaming), ("shared memory", self.shared_memory)) if chosen
        ]
        if self.sequence_length is not None:
            words.append(f"sequences of {self.sequence_length} requests")
        if self.sequences is not None:
            words.append(f"{self.sequences} sequences at a time")
        if self.client != OWN_CLIENT:
            words.append(f"sent by {self.client}")
        return ", ".join(words)
