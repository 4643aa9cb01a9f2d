"""How long and how surely a rate is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from autotune.errors import UsageError
from autotune.objective import format_duration, parse_duration
from autotune.request._option import AT_LEAST_ZERO, CONCURRENCIES, Allowed, Panel, Request, option

if TYPE_CHECKING:
    from autotune.measurement import MeasureOptions


@dataclass(frozen=True, kw_only=True)
class MeasurementRequest(Request):
    """Windows, warm-up, confidence and seed of a measurement."""

    warm_up: str | None = option(
        None, "DURATION", "Longest warm-up of a server; by default it follows the start-up time.", panel=Panel.LOAD
    )
    window: str = option(
        "1s",
        "DURATION",
        "Shortest window of load.",
        panel=Panel.LOAD,
        aliases=("--probe-duration",),
    )
    confidence: float = option(
        0.95,
        "FRACTION",
        "Confidence of the certificate.",
        panel=Panel.LOAD,
        allowed=Allowed(lambda value: 0.5 < value < 1, "a fraction above 0.5 and below 1, such as 0.95"),
    )
    certify_time: str | None = option(
        None,
        "DURATION",
        "Most time of load for a certificate; 60 windows, so 60s, by default.",
        panel=Panel.LOAD,
    )
    max_concurrency: int | None = option(
        None,
        "N",
        "Most outstanding requests of a closed loop; 1024 by default.",
        panel=Panel.LOAD,
        allowed=CONCURRENCIES,
    )
    seed: int = option(0, "N", "Seed of the sampler and the load.", panel=Panel.LOAD, allowed=AT_LEAST_ZERO)

    share_machine: bool = option(False, "", "Go on while another run measures on this machine.", panel=Panel.LOAD)

    def measure_options(self) -> MeasureOptions:
        """The options of the measurement; raises `UsageError` if a duration cannot be read."""
        from autotune.measurement import MeasureOptions

        options = MeasureOptions.of(parse_duration(self.window, "--window"), self.seed)
        options = replace(options, confidence=self.confidence)
        if self.certify_time is not None:
            certify_s = parse_duration(self.certify_time, "--certify-time")
            if certify_s < options.least_certify_s:
                least = format_duration(options.least_certify_s)
                raise UsageError(f"--certify-time: {self.certify_time} is less than one window; give {least} or more")
            options = replace(options, certify_s=certify_s)
        if self.warm_up is not None:
            options = replace(options, warm_up_s=parse_duration(self.warm_up, "--warm-up"))
        if self.max_concurrency is not None:
            options = replace(options, max_concurrency=self.max_concurrency)
        return options
