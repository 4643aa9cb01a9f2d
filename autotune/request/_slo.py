"""The SLO: the latency ceilings, and the kind of load they are measured under."""

from __future__ import annotations

from dataclasses import dataclass

from autotune.objective import Ceiling, parse_ceilings
from autotune.request._option import Panel, Request, option


@dataclass(frozen=True, kw_only=True)
class SloRequest(Request):
    """Latency ceilings."""

    p99: str | None = option(
        None, "DURATION", "Ceiling on p99 latency, such as 5ms, 800us or 2.5ms.", panel=Panel.OBJECTIVE
    )
    p95: str | None = option(None, "DURATION", "Ceiling on p95 latency.", panel=Panel.OBJECTIVE)
    p90: str | None = option(None, "DURATION", "Ceiling on p90 latency.", panel=Panel.OBJECTIVE)
    avg: str | None = option(None, "DURATION", "Ceiling on mean latency.", panel=Panel.OBJECTIVE)
    load: str = option(
        "open",
        "open|closed",
        "Requests at a rate (open), or a fixed concurrency as perf_analyzer uses it (closed).",
        panel=Panel.OBJECTIVE,
    )

    def ceilings(self) -> tuple[Ceiling, ...]:
        """The ceilings that are given; raises `UsageError` if a duration cannot be read."""
        return parse_ceilings(p99=self.p99, p95=self.p95, p90=self.p90, avg=self.avg)
