"""What a generator sends and where: all that its process needs to know."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autotune.load._mix import Mix
from autotune.load._sequences import SequencePlan


@dataclass(frozen=True)
class LoadOptions:
    """How a generator sends. The numbers come from `benchmarks/load_generator.py` unless another source is named.

    Attributes:
        streaming: Whether responses come as a stream, of which the first is timed too (gRPC only; what decoupled
            models need).
        max_connections: Connections (HTTP) or outstanding calls (gRPC) at a time in open loop. Further requests wait
            while their latency runs. A guess: more than a server with a sensible queue ever needs.
        grpc_connections: HTTP/2 connections that share the calls. One write or read for several calls costs hardly
            more than for one: at concurrency 32 a call takes 1.5 times as much CPU with 8 connections as with 2. But
            a server reads each connection in one thread.
        max_processes: Client processes at most; None: half of the cores, as the server needs the others (a guess).
        one_process_per_s: Requests/s up to which one process is used without measuring what it can send. A guess, far
            below what a process can send on anything that serves models.
        client_busy: The most a client process may be busy, as a part of the time: beyond it requests begin to wait
            for the client. Also the limit of the measurement's check.
        failure_rest_s: Seconds that a client of a closed loop waits after its connection failed, so that a dead
            server is not hammered. A guess.
        burst: Requests sent in a row when behind schedule, before responses are looked at again. A guess.
        spin_s: Seconds before a request is due that are spent polling: a sleep in epoll ends about 50 us late.
    """

    streaming: bool = False
    max_connections: int = 1024
    grpc_connections: int = 2
    max_processes: int | None = None
    one_process_per_s: float = 2000.0
    client_busy: float = 0.7
    failure_rest_s: float = 0.01
    burst: int = 16
    spin_s: float = 40e-6


@dataclass(frozen=True)
class Target:
    """Serialised requests and the address they go to.

    Attributes:
        protocol: A name in `autotune.load.protocols`.
        host: Host name or address.
        port: The protocol's port.
        requests: Complete serialised requests, sent in turn.
        batch_size: Inferences in each.
        options: How to send them.
        outputs: The outputs that each response must have; empty if that is not known.
        sequences: How the requests form sequences; None where the model takes none.
        mix: How several models share the requests; None where all go to one.
    """

    protocol: str
    host: str
    port: int
    requests: tuple[bytes, ...]
    batch_size: int = 1
    options: LoadOptions = LoadOptions()
    outputs: tuple[str, ...] = ()
    sequences: SequencePlan | None = None
    mix: Mix | None = None

    def for_one_generator(self) -> Target:
        """The same with correlation ids that no other generator has."""
        return self if self.sequences is None else replace(self, sequences=self.sequences.on_own_lane())
