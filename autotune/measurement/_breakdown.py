"""Where a request's time goes, from the client's schedule to its last byte."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.measurement._types import Probe


@dataclass(frozen=True)
class Breakdown:
    """Mean seconds of an answered request, part by part; they add up to the mean latency.

    Attributes:
        client_send_s: From the scheduled time until the system has taken the request.
        network_s: On the way in both directions, and in the server's protocol front end.
        queue_s: Waiting in the server's queue.
        compute_input_s, compute_infer_s, compute_output_s: In the model's execution, by the server's clock.
        client_receive_s: From the response's first byte to its last, and what the client of a closed loop takes then.
    """

    client_send_s: float
    network_s: float
    queue_s: float
    compute_input_s: float
    compute_infer_s: float
    compute_output_s: float
    client_receive_s: float


def breakdown(probe: Probe) -> Breakdown | None:
    """The parts of a window's mean latency; None where nothing was answered.

    What neither side's clock accounts for is the network's; the server's clock and the client's are not of one
    mind to the microsecond, so it is never less than zero.
    """
    client, server = probe.client, probe.server
    if client is None or not server.success_count:
        return None
    queue, compute_input, infer, output = (
        total_ns / server.success_count / 1e9
        for total_ns in (server.queue_ns, server.compute_input_ns, server.compute_infer_ns, server.compute_output_ns)
    )
    known_s = client.wait_s + client.send_s + client.receive_s + queue + compute_input + infer + output
    return Breakdown(
        client_send_s=client.wait_s + client.send_s,
        network_s=max(0.0, client.total_s - known_s),
        queue_s=queue,
        compute_input_s=compute_input,
        compute_infer_s=infer,
        compute_output_s=output,
        client_receive_s=client.receive_s,
    )
