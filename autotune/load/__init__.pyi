from ._generator import LoadGenerator as LoadGenerator, LoadGeneratorFailed as LoadGeneratorFailed
from ._generators import (
    check_client as check_client,
    check_offerable as check_offerable,
    create_generator as create_generator,
    generator_for as generator_for,
    protocols as protocols,
)
from ._histogram import Histogram as Histogram, histogram as histogram
from ._mix import Mix as Mix
from ._outputs import declared_outputs as declared_outputs
from ._request_check import check_requests as check_requests
from ._result import LoadResult as LoadResult, percentile_s as percentile_s
from ._schedule import (
    ClosedLoop as ClosedLoop,
    ConstantRate as ConstantRate,
    OpenLoop as OpenLoop,
    PoissonRate as PoissonRate,
    Schedule as Schedule,
    SpacedRate as SpacedRate,
    Trace as Trace,
    open_loop as open_loop,
)
from ._sequence_plan import sequence_plan as sequence_plan, takes_sequences as takes_sequences
from ._sequences import SequencePlan as SequencePlan
from ._target import LoadOptions as LoadOptions
from ._trace_file import TRACE_UNITS as TRACE_UNITS, check_trace_words as check_trace_words, read_trace as read_trace
from ._traffic import CLIENTS as CLIENTS, GENERATED as GENERATED, OWN_CLIENT as OWN_CLIENT, Traffic as Traffic
from ._watch import BLOCK_S as BLOCK_S, Progress as Progress, Watch as Watch
from .answers import (
    WrongAnswers as WrongAnswers,
    check_answers as check_answers,
    different_payloads as different_payloads,
    fixed_inputs as fixed_inputs,
)
from .payload import (
    Payload as Payload,
    PayloadData as PayloadData,
    Tensor as Tensor,
    make_payload as make_payload,
    make_payloads as make_payloads,
    make_streams as make_streams,
    parse_shape as parse_shape,
)
