"""A measurement of one running server: the cheapest question first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from autotune.errors import UsageError
from autotune.load import LoadGenerator
from autotune.measurement._limit import limited_by
from autotune.measurement._options import MeasureOptions
from autotune.measurement._probe import violations
from autotune.measurement._prober import OnProbe, Prober, TimeIsUp
from autotune.measurement._profile import profile
from autotune.measurement._question import CERTIFIED_RATE, Question
from autotune.measurement._reasons import Infeasible, Limit, LimitKind
from autotune.measurement._screen import may_wait_for_poll, screen, warm_up
from autotune.measurement._sizes import Sized, sweep_sizes
from autotune.measurement._types import Measurement, Probe
from autotune.measurement._values import most_memory
from autotune.measurement.load_search import (
    Certificate,
    ConcurrencyAxis,
    Found,
    LoadAxis,
    RateAxis,
    certify,
    rank,
    search,
    too_slow,
)
from autotune.objective import Objective
from autotune.server import RunningServer

# Verdicts that rest on one window: if it was disturbed, nothing is decided.
_BY_A_WINDOW = (Infeasible.ALONE, Infeasible.NO_LOAD, Infeasible.NOT_SUSTAINED)


class Meter:
    """Measures one running server under one objective; keeps every probe, also when it is interrupted.

    Args:
        server: A ready server.
        generator: A load generator pointed at it.
        objective: What is optimised, and the ceilings.
        options: Window lengths, resolution and confidence.
        on_probe: Called after every probe, for progress.
        batch_size: Inferences in one of the generator's requests.
        clock: Monotonic seconds.
        called: The models that the model calls itself.
    """

    def __init__(
        self,
        server: RunningServer,
        generator: LoadGenerator,
        objective: Objective,
        options: MeasureOptions | None = None,
        on_probe: OnProbe = lambda probe: None,
        batch_size: int = 1,
        sized: Sized | None = None,
        clock: Callable[[], float] = time.monotonic,
        called: Sequence[str] = (),
    ) -> None:
        self._objective = objective
        self._options = options or MeasureOptions()
        self._prober = Prober(server, generator, objective, self._options, on_probe, batch_size, clock, called)
        self._sized = sized
        self._clock = clock
        self._started = clock()
        self._decided_by: Probe | None = None
        self._infeasible: Infeasible | None = None
        self._done = False
        self._certified = False
        self._confidence = 0.0
        self._missing_s: float | None = None
        self._located_per_s: float | None = None
        self._failing: float | None = None
        self._beaten_by_per_s: float | None = None
        self._beside_s: dict[str, float] = {}

    @property
    def probes(self) -> list[Probe]:
        """Every window so far."""
        return self._prober.probes

    def measure(self, question: Question = CERTIFIED_RATE) -> Measurement:
        """The answer to the objective for this server.

        Args:
            question: What is asked of it; only its seed, and whether it is profiled, count where the objective is the
                latency at a rate.

        Raises:
            ServerCrashed: The server died under load.
            TimeIsUp: ``question.within_s`` was over before any load of the search met the ceilings, or none can.
        """
        self._prober.deadline = self._clock() + question.within_s
        self._prober.share_s = question.share_s
        self._prober.share_ends = self._clock() + question.share_s - question.spent_s
        self._prober.options = self._options.within_share(question.share_s)
        self._prober.reseed(question.seed)
        warm_up(self._prober, self._clock)
        self._check_memory_is_seen()
        if self._objective.goal == "throughput":
            self._measure_in_time(question)
            if self._infeasible is None and not question.certified:
                self._measure_beside()
        else:
            self._measure_at_rate(question)
        if self._infeasible is None and self._over_memory():
            self._infeasible = Infeasible.MEMORY
        if self._infeasible in _BY_A_WINDOW and self._decided_by and self._decided_by.verdict == "invalid":
            self._infeasible = Infeasible.DISTURBED
        self._done = True
        return self.measurement

    @property
    def measurement(self) -> Measurement:
        """What is known so far; infeasible until a rate was shown to hold."""
        decided_by = self._decided_by
        missed = self._missed(decided_by) if decided_by else {}
        feasible = self._done and self._infeasible is None and missed.get("lost", 0.0) <= 0
        return Measurement(
            feasible=feasible,
            rate_per_s=self._sustained_per_s() if feasible else 0.0,
            first_failing_per_s=self._failing if self._objective.load == "open" else None,
            latency_s=dict(decided_by.latency_s) if decided_by else {},
            ceilings=self._objective.ceilings,
            violations=missed,
            decided_by=decided_by,
            probes=tuple(self.probes),
            seconds=self._clock() - self._started,
            located_per_s=self._located_per_s,
            certified=self._certified,
            confidence=self._confidence,
            certificate_missing_s=self._missing_s,
            beaten_by_per_s=self._beaten_by_per_s,
            limited_by=self._limit(feasible=feasible),
            infeasible=self._infeasible,
            instances=self._prober.instances,
            serving=self._prober.serving,
            memory_bytes=most_memory(self.probes, "memory"),
            gpu_memory_bytes=most_memory(self.probes, "GPU memory"),
            latency_beside_s=self._beside_s,
        )

    def _limit(self, *, feasible: bool) -> Limit | None:
        """What limits the rate; where none was found, only whether the server answers errors."""
        prober = self._prober
        found = limited_by(self.probes, self._decided_by, prober.instances, self._options, serving=prober.serving)
        return found if feasible or (found and found.kind is LimitKind.ERRORS) else None

    def _measure_at_rate(self, question: Question) -> None:
        rate_per_s = self._objective.rate_per_s
        assert rate_per_s is not None  # noqa: S101  # the objective guarantees it
        if question.profiled:
            screen(self._prober)  # nothing is decided by it
            self._profile()
        self._decided_by = probe = self._prober.at_rate("certify", rate_per_s, self._options.confirm_s)
        if self._objective.goal == "goodput":  # a queue that grows is no fault but for the answers that are late
            kept = all(missed <= 0 for missed in self._missed(probe).values())
            self._infeasible = None if kept and probe.good_per_s else Infeasible.NOT_SUSTAINED
            return
        self._infeasible = None if probe.holds else Infeasible.NOT_SUSTAINED
        self._certified = True
        self._confidence = min((each.confidence for each in probe.evidence), default=0.0)

    def _measure_beside(self) -> None:
        """The latency that is optimised beside a throughput: at the objective's rate, or of one request at a time."""
        if not any(each.is_latency for each in self._objective.values):
            return
        rate_per_s, window_s = self._objective.rate_per_s, self._options.confirm_s
        if rate_per_s is None:
            probe = self._prober.closed_loop("load", 1, window_s)
        else:
            probe = self._prober.at_rate("load", rate_per_s, window_s)
        self._beside_s = dict(probe.latency_s)
        lost = any(not math.isfinite(self._beside_s[each.name]) for each in self._objective.values if each.is_latency)
        if lost or not probe.kept_up:
            self._decided_by, self._infeasible = probe, Infeasible.NOT_SUSTAINED

    def _measure_in_time(self, question: Question) -> None:
        """Measures the highest load; if the time is over before it is found, the highest that held so far counts."""
        try:
            self._measure_highest_load(question)
        except TimeIsUp:
            if self._located_per_s is not None:  # only the certificate is missing
                return
            held = self._prober.best_holding()
            if held is None:
                raise
            self._decided_by, self._infeasible, self._located_per_s = held, None, held.asked_per_s

    def _measure_highest_load(self, question: Question) -> None:
        screened = None
        if not question.brief:
            screened = self._decided_by = screen(self._prober)
            if not screened.holds and not may_wait_for_poll(self._prober):
                self._infeasible = Infeasible.ALONE
                return
            if self._over_memory():  # no load takes less
                self._infeasible = Infeasible.MEMORY
                return
        if screened is not None and screened.holds and too_slow(self._prober, screened):
            self._rank(question, screened)
            return
        axis = self._axis(question, screened)
        level, failing = self._known_level(question), None
        if level is None:
            found = search(axis, question)
            if not self._answers(found, question):
                return
            level, failing = found.level, found.failing
        if question.certified:
            if not axis.slack:
                level *= 1 - self._options.margin
            certificate = certify(axis, level, self._prober.left_s(), failing)
            self._take(axis, certificate)

    def _rank(self, question: Question, alone: Probe) -> None:
        """About what a config of a slow model sustains, where the time does not reach for a percentile."""
        if question.profiled:
            self._sweep_sizes(rough=True)
        self._answers(rank(self._prober, question, alone), question)

    def _answers(self, found: Found, question: Question) -> bool:
        """Takes what a search found; whether that is an answer."""
        self._decided_by, self._infeasible, self._failing = found.probe, found.reason, found.failing
        if found.reason is Infeasible.PRUNED:
            self._beaten_by_per_s = question.beat_per_s
        if found.reason is None:
            self._located_per_s = found.per_s
        return found.reason is None

    def _profile(self) -> Probe:
        """How long executions take; the window that saturates the server."""
        self._sweep_sizes()
        return profile(self._prober)

    def _sweep_sizes(self, *, rough: bool = False) -> None:
        serving = self._prober.serving
        lone = all(each.instances == 1 for each in serving.streams or (serving,))
        if self._sized is not None and lone and serving.largest_batch > 1:
            sweep_sizes(self._prober, self._sized, rough=rough)

    def _axis(self, question: Question, screened: Probe | None) -> LoadAxis:
        prober = self._prober
        saturated = self._profile() if question.profiled else None
        if self._objective.load == "closed":
            met = [probe.achieved_per_s for probe in prober.counted if probe.purpose == "profile" and probe.holds]
            alone = screened if screened and screened.holds else None
            return ConcurrencyAxis(prober, question, alone, max(met, default=None))
        alone_per_s = None
        if screened is not None:  # the window may be shorter than a single request takes
            alone_per_s = max(screened.achieved_per_s, screened.batch_size / prober.alone_s(screened))
        return RateAxis(prober, question, alone_per_s, saturated.achieved_per_s if saturated else None)

    def _known_level(self, question: Question) -> float | None:
        """The level to certify without a search; None where one is to be made."""
        if question.located:
            return None
        return question.concurrency if self._objective.load == "closed" else question.around_per_s

    def _take(self, axis: LoadAxis, certificate: Certificate) -> None:
        self._certified = True
        self._decided_by = certificate.probe
        self._infeasible = None if certificate.kept else Infeasible.NO_LOAD
        self._confidence, self._missing_s = certificate.confidence, certificate.missing_s
        least = axis.level(certificate.probe) or 0.0 if certificate.kept else 0.0
        failed = [axis.level(probe) for probe in self._prober.counted if not probe.holds]
        self._failing = min((level for level in failed if level is not None and level > least), default=None)

    def _sustained_per_s(self) -> float:
        """The rate that is the answer: the certified one, or the located one where no certificate was asked for."""
        if not self._certified and self._located_per_s is not None:
            return self._located_per_s
        if self._decided_by is None:
            return 0.0
        good_per_s = self._decided_by.good_per_s
        return self._decided_by.asked_per_s if good_per_s is None else good_per_s

    def _check_memory_is_seen(self) -> None:
        """Raises `UsageError` if memory is optimised and cannot be seen."""
        seen = any(most_memory(self.probes, kind) is not None for kind in ("memory", "GPU memory"))
        if self.probes and not seen and any(each.is_memory for each in self._objective.values):
            raise UsageError("--objective: the memory of the server cannot be seen on this system; drop memory")

    def _over_memory(self) -> bool:
        return any(over > 0 for over in self._memory_missed().values())

    def _memory_missed(self) -> dict[str, float]:
        """How far the most memory of all windows is over its limits, (value / limit) - 1."""
        return {
            str(limit): (most_memory(self.probes, limit.of) or 0) / limit.limit_bytes - 1
            for limit in self._objective.memory_limits
        }

    def _missed(self, probe: Probe) -> dict[str, float]:
        """The probe's violations; lost requests break no ceiling where there is none, but leave no latency."""
        missed = {**violations(probe, self._objective.ceilings), **self._memory_missed()}
        if self._objective.goal == "goodput":
            missed["rate"] = 0.0
        at_once = self._objective.goal != "throughput"  # else they are of another window
        latencies = [each.name for each in self._objective.values if each.is_latency and at_once]
        if any(not math.isfinite(probe.latency_s[name]) for name in latencies):
            missed["lost"] = probe.failed / max(1, probe.requests)
        if self._beaten_by_per_s is not None:
            missed["race"] = max(0.001, 1 - min(probe.achieved_per_s, probe.asked_per_s) / self._beaten_by_per_s)
        return missed
