"""Requests on the wire: payloads, schedules, HTTP and gRPC generators, latency histograms."""

from autotune.load._generator import LoadGenerator, LoadGeneratorFailed
from autotune.load._generators import (
    check_client,
    check_offerable,
    create_generator,
    generator_for,
    protocols,
)
from autotune.load._histogram import Histogram, histogram
from autotune.load._mix import Mix
from autotune.load._outputs import declared_outputs
from autotune.load._request_check import check_requests
from autotune.load._result import LoadResult, percentile_s
from autotune.load._schedule import (
    ClosedLoop,
    ConstantRate,
    OpenLoop,
    PoissonRate,
    Schedule,
    SpacedRate,
    Trace,
    open_loop,
)
from autotune.load._sequence_plan import sequence_plan, takes_sequences
from autotune.load._sequences import SequencePlan
from autotune.load._target import LoadOptions
from autotune.load._trace_file import TRACE_UNITS, check_trace_words, read_trace
from autotune.load._traffic import CLIENTS, GENERATED, OWN_CLIENT, Traffic
from autotune.load._watch import BLOCK_S, Progress, Watch
from autotune.load.answers import WrongAnswers, check_answers, different_payloads, fixed_inputs
from autotune.load.payload import Payload, PayloadData, Tensor, make_payload, make_payloads, make_streams, parse_shape

__all__ = [
    "BLOCK_S",
    "CLIENTS",
    "GENERATED",
    "OWN_CLIENT",
    "TRACE_UNITS",
    "ClosedLoop",
    "ConstantRate",
    "Histogram",
    "LoadGenerator",
    "LoadGeneratorFailed",
    "LoadOptions",
    "LoadResult",
    "Mix",
    "OpenLoop",
    "Payload",
    "PayloadData",
    "PoissonRate",
    "Progress",
    "Schedule",
    "SequencePlan",
    "SpacedRate",
    "Tensor",
    "Trace",
    "Traffic",
    "Watch",
    "WrongAnswers",
    "check_answers",
    "check_client",
    "check_offerable",
    "check_requests",
    "check_trace_words",
    "create_generator",
    "declared_outputs",
    "different_payloads",
    "fixed_inputs",
    "generator_for",
    "histogram",
    "make_payload",
    "make_payloads",
    "make_streams",
    "open_loop",
    "parse_shape",
    "percentile_s",
    "protocols",
    "read_trace",
    "sequence_plan",
    "takes_sequences",
]
