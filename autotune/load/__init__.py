"""Requests on the wire: payloads, schedules, HTTP and gRPC generators, latency histograms."""

from autotune.load._generators import create_generator, protocols
from autotune.load._histogram import Histogram, histogram, percentile, pool
from autotune.load._payload import PayloadData, make_payload, parse_shape
from autotune.load._schedule import arrival_times
from autotune.load._target import LoadOptions
from autotune.load._types import (
    ClosedLoop,
    ConstantRate,
    LoadGenerator,
    LoadGeneratorFailed,
    LoadResult,
    Payload,
    PoissonRate,
    Schedule,
    Tensor,
)

__all__ = [
    "ClosedLoop",
    "ConstantRate",
    "Histogram",
    "LoadGenerator",
    "LoadGeneratorFailed",
    "LoadOptions",
    "LoadResult",
    "Payload",
    "PayloadData",
    "PoissonRate",
    "Schedule",
    "Tensor",
    "arrival_times",
    "create_generator",
    "histogram",
    "make_payload",
    "parse_shape",
    "percentile",
    "pool",
    "protocols",
]
