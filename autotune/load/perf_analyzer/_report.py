"""perf_analyzer's CSV report (``-f``)."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotune.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PERCENTILE = re.compile(r"p(?P<percent>\d+) latency")
_MEAN = "Avg latency"


@dataclass(frozen=True)
class PerfAnalyzerReport:
    """One row of the report: all windows of one load, warm-up included. Times are means unless named otherwise.

    Attributes:
        concurrency: Requests outstanding; None where a rate was offered.
        rate_per_s: Requests/s asked for; None in closed loop.
        throughput_per_s: Inferences/s completed.
        latency_s: ``p50``, ``p90``, ``p95``, ``p99`` and, in a verbose report, ``avg``; from the actual send.
        client_send_s: Until a request had been sent.
        client_receive_s: Receiving of a response.
        network_s: The rest of the latency: network, and the server's sending and receiving. None, like all that
            follows, where the server gave no statistics.
        server_queue_s: In Triton's queue.
        server_compute_input_s: Preparing inputs.
        server_compute_infer_s: In the backend.
        server_compute_output_s: Taking outputs.
    """

    concurrency: int | None
    rate_per_s: float | None
    throughput_per_s: float
    latency_s: Mapping[str, float]
    client_send_s: float
    client_receive_s: float
    network_s: float | None
    server_queue_s: float | None
    server_compute_input_s: float | None
    server_compute_infer_s: float | None
    server_compute_output_s: float | None


def read_report(path: Path) -> tuple[PerfAnalyzerReport, ...]:
    """The rows of a CSV report, plain or verbose, in the order of the file: ascending throughput.

    Raises:
        UsageError: The file cannot be read or is not such a report.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return tuple(_report(row) for row in rows)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: is not perf_analyzer's CSV report ({error!r})") from error


def _report(row: Mapping[str, str]) -> PerfAnalyzerReport:
    latency_s = {
        f"p{match['percent']}": _seconds(value)
        for name, value in row.items()
        if name and (match := _PERCENTILE.fullmatch(name))
    }
    if _MEAN in row:
        latency_s["avg"] = _seconds(row[_MEAN])

    def optional_s(name: str) -> float | None:
        return _seconds(row[name]) if name in row else None

    concurrency = row.get("Concurrency")
    return PerfAnalyzerReport(
        concurrency=None if concurrency is None else int(concurrency),
        rate_per_s=float(row["Request Rate"]) if concurrency is None else None,
        throughput_per_s=float(row["Inferences/Second"]),
        latency_s=latency_s,
        client_send_s=_seconds(row["Client Send"]),
        client_receive_s=_seconds(row["Client Recv"]),
        network_s=optional_s("Network+Server Send/Recv"),
        server_queue_s=optional_s("Server Queue"),
        server_compute_input_s=optional_s("Server Compute Input"),
        server_compute_infer_s=optional_s("Server Compute Infer"),
        server_compute_output_s=optional_s("Server Compute Output"),
    )


def _seconds(microseconds: str) -> float:
    return float(microseconds) / 1e6
