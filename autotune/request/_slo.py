"""The SLO: the latency ceilings, and the kind of load they are measured under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autotune.errors import UsageError
from autotune.objective import FIRST_RESPONSE, Ceiling, ceiling_flag, parse_ceilings
from autotune.request._option import Panel, option
from autotune.request._traffic import TrafficRequest


@dataclass(frozen=True, kw_only=True)
class SloRequest(TrafficRequest):
    """Latency ceilings."""

    p99: str | None = option(
        None, "DURATION", "Ceiling on p99 latency, such as 5ms, 800us or 2.5ms.", panel=Panel.OBJECTIVE
    )
    p95: str | None = option(None, "DURATION", "Ceiling on p95 latency.", panel=Panel.OBJECTIVE)
    p90: str | None = option(None, "DURATION", "Ceiling on p90 latency.", panel=Panel.OBJECTIVE)
    avg: str | None = option(None, "DURATION", "Ceiling on mean latency.", panel=Panel.OBJECTIVE)
    ttfr_p99: str | None = option(
        None,
        "DURATION",
        "Ceiling on the p99 of the time to the first response of a stream.",
        panel=Panel.OBJECTIVE,
    )
    ceiling: Sequence[str] = option(
        (),
        "STATISTIC=LIMIT",
        "Ceiling on any percentile: p99.9=8ms, p50=2ms, first-response-p50=20ms; repeatable.",
        panel=Panel.OBJECTIVE,
    )
    load: str = option(
        "open",
        "open|closed",
        "Requests at a rate (open), or a fixed concurrency as perf_analyzer uses it (closed).",
        panel=Panel.OBJECTIVE,
    )

    def ceilings(self) -> tuple[Ceiling, ...]:
        """The ceilings that are given, the strictest first.

        Raises:
            UsageError: One cannot be read, two are on the same statistic, or one is on the first response of a stream
                and there is none.
        """
        found = parse_ceilings(self.ceiling, **self.statistics())
        first = next((each for each in found if each.of_first_response), None)
        if first and not self.streaming:
            raise UsageError(
                f"{self.flag_of(first)}: {first.statistic} needs a stream of responses; add --protocol grpc"
                f" --streaming, or limit {first.statistic.removeprefix(FIRST_RESPONSE)} if each request has one"
            )
        if first and self.client != "autotune":
            raise UsageError(
                f"{self.flag_of(first)}: {self.client} does not time each first response; leave --client out"
            )
        return found

    def statistics(self) -> dict[str, str | None]:
        """The text of each limit that has an option of its own (`ceiling_flag`), by statistic; None if not given."""
        own = {"p99": self.p99, "p95": self.p95, "p90": self.p90, "avg": self.avg}
        return own | {f"{FIRST_RESPONSE}p99": self.ttfr_p99}

    def flag_of(self, ceiling: Ceiling) -> str:
        """The option that gave a ceiling."""
        return ceiling_flag(ceiling.statistic) if self.statistics().get(ceiling.statistic) else "--ceiling"
