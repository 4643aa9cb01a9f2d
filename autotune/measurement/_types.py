"""What a measurement consists of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from autotune.load import ClosedLoop, Schedule
from autotune.measurement._reasons import Disturbance, Infeasible, Limit
from autotune.measurement._serving import Serving, StepWindow, Stream
from autotune.objective import Ceiling, MemoryKind
from autotune.server import ModelStatistics

Purpose = Literal["warm-up", "screen", "sizes", "profile", "race", "saturate", "locate", "certify", "load"]
_SAYS_SOMETHING = 0.5  # the confidence of a coin; earlier versions gave certificates with less
_MOST_OF_A_POLL_S = 0.3

Verdict = Literal["holds", "fails", "invalid"]


@dataclass(frozen=True)
class Evidence:
    """What one window says about one percentile ceiling.

    Attributes:
        ceiling: The ceiling, as text.
        allowed: The fraction of requests that may be late: 0.01 for a p99.
        requests: Requests counted.
        late: Those over the limit; failed and unanswered ones are.
        design_effect: How many requests are worth one independent one, because late ones cluster.
        confidence: How sure it is that at most ``allowed`` are late in the long run; valid although the window
            was looked at all the time (1 minus the inverse of the largest e-value).
        low_s: Lower bound of the percentile in seconds, at 95%; NaN where the window is too short for one.
        high_s: Upper bound of it, at 95%; infinite where the window is too short for one.
        e_value: The test's e-value at the window's end, what earlier windows showed included where it counts too.
        effective: Effective requests and late ones at the ceiling's limit and at lower ones, see
            `autotune.measurement.statistics.Verdict`.
        missing_s: Seconds of further load like this that would prove it, if that is tested; infinite where none would.
        levels: The same for estimates: of this window alone, without its beginning, in which its queue fills.
    """

    ceiling: str
    allowed: float
    requests: int
    late: int
    design_effect: float
    confidence: float
    low_s: float
    high_s: float
    e_value: float = 1.0
    effective: tuple[tuple[float, float], ...] = ()
    missing_s: float = math.inf
    levels: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class ClientTimes:
    """Mean times of an answered request on the client's side, in seconds.

    Attributes:
        total_s: From its scheduled time to its last byte.
        wait_s: From its scheduled time to when it was sent.
        send_s: In handing it to the system.
        receive_s: In taking its response.
    """

    total_s: float
    wait_s: float
    send_s: float
    receive_s: float


@dataclass(frozen=True)
class Usage:
    """What a window took of the machine.

    Attributes:
        client_cpu: CPU seconds per second of one client process, idle polling left out.
        client_processes: Client processes.
        server_cpu_s: CPU seconds of the server's processes; None where they cannot be seen.
        others_cpu_s: CPU seconds of everything else on the machine; None where the server's cannot be seen.
        steal_s: CPU seconds that the hypervisor gave to others.
        memory_bytes: The server's memory at the window's end; None where it cannot be seen.
        gpu_memory_bytes: Its GPU memory; None without a GPU.
        cores: Cores that the client may run on, and a server beside it; None where it was not kept.
        seconds: Over which CPU was counted, until the last answer; None where it was not kept.
    """

    client_cpu: float
    client_processes: int = 1
    server_cpu_s: float | None = None
    others_cpu_s: float | None = None
    steal_s: float | None = None
    memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    cores: int | None = None
    seconds: float | None = None

    def of(self, memory: MemoryKind) -> int | None:
        """Bytes of one kind of memory; None where it cannot be seen."""
        return self.memory_bytes if memory == "memory" else self.gpu_memory_bytes


@dataclass(frozen=True)
class StreamWindow:
    """What one window shows of one of several models that share the load.

    Its latencies are in `Probe.latency_s`, by `autotune.objective.latency_key`.

    Attributes:
        stream: The model.
        offered_per_s: Inferences/s scheduled.
        achieved_per_s: Inferences/s completed within the window.
        requests: Requests scheduled.
        failed: Requests that failed or were unfinished at the deadline.
        kept_up: Whether the server completed what was offered, rather than queueing it up.
        server: Triton's statistics of the model.
    """

    stream: Stream
    offered_per_s: float
    achieved_per_s: float
    requests: int
    failed: int
    kept_up: bool
    server: ModelStatistics

    def busy(self, seconds: float) -> float:
        """The part of the time that its instances were busy."""
        return min(1.0, self.server.busy_s / (self.stream.instances * seconds))


@dataclass(frozen=True)
class Probe:
    """One window of load on one running server.

    Attributes:
        purpose: Why it was run.
        schedule: The load that was asked for.
        started_at: Unix time of its start.
        duration_s: Length of the window.
        offered_per_s: Inferences/s scheduled.
        achieved_per_s: Inferences/s completed within the window, as `autotune.load.LoadResult` counts them.
        requests: Requests scheduled.
        errors: Failed or unfinished requests by kind.
        latency_s: Statistic (``p50``, ``p90``, ``p95``, ``p99``, ``avg``, and each ceiling's) to seconds; of several
            models also each one's (``p99 of MODEL``).
            Failed requests count as infinite.
        lateness_p99_s: 99th percentile of the client's dispatch lateness.
        server: Triton's statistics over the window; of several models those of all.
        kept_up: Whether the server completed what was offered (open loop), rather than queueing it up.
        holds: Whether every ceiling was met and the server kept up, as far as this window shows.
        client: The client's share of the latency.
        usage: What it took of the machine.
        evidence: What it says about each percentile ceiling.
        mean_bounds_s: Bounds of the mean latency at 95% confidence, in seconds; None without a ceiling on it.
        invalid: What disturbed client or machine; empty where nothing did.
        stopped: Why it ended before its time; empty where it did not.
        certain: Whether it ended because a ceiling was shown to be broken, or a queue to grow without bound.
        error_example: The first failure in words.
        batch_size: Inferences per request; schedules count requests.
        first_response_s: Streaming only: statistic to the seconds until the first response.
        steps: Of an ensemble, Triton's statistics of each step over the window.
        called: Of a model that calls others itself (BLS), the same of each of them.
        decoupled: Whether the model is decoupled.
        good_per_s: Inferences/s that were answered within the objective's ``goodput_s``; None without one.
        streams: Each of several models that share the load; empty for one model.
        histogram: Latency histogram as ``(upper edge in seconds, count)`` pairs, so that windows can be pooled.
    """

    purpose: Purpose
    schedule: Schedule
    started_at: float
    duration_s: float
    offered_per_s: float
    achieved_per_s: float
    requests: int
    errors: dict[str, int]
    latency_s: dict[str, float]
    lateness_p99_s: float
    server: ModelStatistics
    kept_up: bool
    holds: bool
    client: ClientTimes | None = None
    usage: Usage | None = None
    evidence: tuple[Evidence, ...] = ()
    mean_bounds_s: tuple[float, float] | None = None
    invalid: tuple[Disturbance, ...] = ()
    stopped: str = ""
    certain: bool = False
    error_example: str = ""
    batch_size: int = 1
    first_response_s: dict[str, float] = field(default_factory=dict)
    steps: tuple[StepWindow, ...] = ()
    called: tuple[StepWindow, ...] = ()
    decoupled: bool = False
    good_per_s: float | None = None
    streams: tuple[StreamWindow, ...] = ()
    histogram: Sequence[tuple[float, int]] = field(default=(), repr=False)

    @property
    def verdict(self) -> Verdict:
        """What it says: a ceiling broken while client or machine were disturbed is invalid, which is not failed.

        What disturbs adds to latency, never takes from it: a ceiling kept all the same is kept. Nor does it make a
        server refuse requests: more errors than a ceiling allows are the config's.
        """
        if self.holds:
            return "holds"
        allowed = min((each.allowed for each in self.evidence), default=0.0) * self.requests
        return "invalid" if self.invalid and self.refused <= allowed else "fails"

    @property
    def asked_per_s(self) -> float:
        """The inferences/s that were asked for; what was completed in a closed loop.

        A Poisson schedule offers a little more or less than it was asked for; rates are compared by this one.
        """
        if isinstance(self.schedule, ClosedLoop):
            return self.achieved_per_s
        return self.schedule.rate_per_s * self.batch_size

    @property
    def parts(self) -> tuple[StepWindow, ...]:
        """The steps of an ensemble, or the models that a model calls."""
        return self.steps or self.called

    def slim(self) -> Probe:
        """The same without what only its own measurement and the database read.

        Those are `Evidence.effective`, `Evidence.levels` and, unless it had one request at a time, the histogram: three
        quarters of the memory that it takes.
        """
        evidence = tuple(replace(each, effective=(), levels=()) for each in self.evidence)
        return replace(self, evidence=evidence, histogram=self.histogram if self.concurrency == 1 else ())

    @property
    def concurrency(self) -> int | None:
        """Requests that were kept outstanding; None in an open loop."""
        return self.schedule.concurrency if isinstance(self.schedule, ClosedLoop) else None

    def of_model(self, model: str) -> StreamWindow | None:
        """What it shows of one of several models; None if it is of one model."""
        return next((each for each in self.streams if each.stream.model == model), None)

    @property
    def fastest_s(self) -> float:
        """The lowest latency, to the width of the histogram's bins; infinite where nothing was answered."""
        return min((edge_s for edge_s, count in self.histogram if count), default=math.inf)

    @property
    def failed(self) -> int:
        """Requests that failed or were unfinished at the deadline."""
        return sum(self.errors.values())

    @property
    def refused(self) -> int:
        """Requests that failed at once, rather than for want of an answer in time."""
        return self.failed - self.errors.get("timeout", 0) - self.errors.get("unsent", 0)

    @property
    def unanswered(self) -> str:
        """What the server said if no request was answered; empty if one was, or none was sent."""
        if not self.requests or self.failed < self.requests:
            return ""
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.errors.items())
        return f"no request was answered ({kinds}): {self.error_example}".removesuffix(": ")


@dataclass(frozen=True)
class Measurement:
    """What one config sustains under the objective.

    Attributes:
        feasible: Whether every ceiling was met at ``rate_per_s`` by the probe that decided.
        rate_per_s: The highest inferences/s found to keep every ceiling: certified, or located where no certificate
            was asked for; 0 where none was.
        first_failing_per_s: The lowest rate above it that was seen to fail; None where none was.
        latency_s: Latencies of the probe that decided: at ``rate_per_s`` where feasible, else the nearest miss.
        ceilings: The latency ceilings.
        violations: Ceiling (as text) to how far it was missed, as (value / limit) - 1, and ``rate`` to the
            fraction of the offered rate that was not sustained; <= 0 is met. ``lost`` is the fraction of
            requests that were never answered, where that leaves the optimised latency without a value.
            ``race`` is the fraction by which the rate to beat was missed, at least.
        decided_by: The probe that decided; None where an interruption came first.
        probes: Every probe, in order.
        seconds: Wall time of the measurement.
        located_per_s: Where the ceiling breaks, as fitted before the certificate; None where not looked for.
        certified: Whether a certificate was looked for; a located rate is an estimate.
        confidence: How sure it is that ``rate_per_s`` keeps every percentile ceiling in the long run, attempts
            accounted for; 0 where it was not tested, and where that was not proved at the confidence asked for.
        certificate_missing_s: Seconds of further load that the certificate would have taken; 0 where it was given,
            infinite where no time would do, None where none was looked for.
        beaten_by_per_s: The rate that was to be beaten and was not: an upper bound; None otherwise.
        limited_by: What keeps the rate from being higher; None where unknown. Of an infeasible config only errors.
        infeasible: Why it is not feasible; None where it is, or an interruption came first.
        instances: The model's instances, as the server had them; 0 where that was not kept.
        serving: What the server makes of the config; None where that was not kept.
        memory_bytes: The most memory of the server in any window; None where it cannot be seen.
        gpu_memory_bytes: The same of GPU memory; None without a GPU.
        latency_beside_s: Latencies by statistic that are optimised beside a throughput: at the objective's rate, or of
            one request at a time without one. Empty if none is.
    """

    feasible: bool
    rate_per_s: float
    first_failing_per_s: float | None
    latency_s: dict[str, float]
    ceilings: tuple[Ceiling, ...]
    violations: dict[str, float]
    decided_by: Probe | None
    probes: tuple[Probe, ...]
    seconds: float
    located_per_s: float | None = None
    certified: bool = False
    confidence: float = 0.0
    certificate_missing_s: float | None = None
    beaten_by_per_s: float | None = None
    limited_by: Limit | None = None
    infeasible: Infeasible | None = None
    instances: int = 0
    serving: Serving | None = None
    memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    latency_beside_s: dict[str, float] = field(default_factory=dict)

    def slim(self) -> Measurement:
        """The same with slim windows (`Probe.slim`): a study keeps those of hundreds of trials in memory."""
        slim = {id(probe): probe.slim() for probe in self.probes}
        decided_by = self.decided_by and (slim.get(id(self.decided_by)) or self.decided_by.slim())
        return replace(self, probes=tuple(slim.values()), decided_by=decided_by)

    @property
    def proved_per_s(self) -> float | None:
        """Inferences/s that a certificate proved; None without one, or with one that says less than a coin."""
        proved = self.certified and self.feasible and not self.certificate_missing_s
        return self.rate_per_s if proved and self.confidence >= _SAYS_SOMETHING else None

    @property
    def polled(self) -> tuple[int, int]:
        """Requests that waited for Triton's 500 ms poll, of those sent one at a time; (0, 0) if it does not poll."""
        if self.serving is None or not self.serving.polls:
            return 0, 0
        alone = [probe for probe in self.probes if probe.purpose == "screen" and not probe.failed]
        fastest_s = min((probe.fastest_s for probe in alone), default=0.0)
        waited = sum(
            count for probe in alone for edge_s, count in probe.histogram if edge_s - fastest_s >= _MOST_OF_A_POLL_S
        )
        return waited, sum(probe.requests for probe in alone)
