"""A measurement of one running server: the cheapest question first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from autotune.load import LoadGenerator
from autotune.measurement._certify import Certificate, certify
from autotune.measurement._climb import certify_concurrency, climb
from autotune.measurement._limit import limited_by
from autotune.measurement._locate import locate_rate
from autotune.measurement._options import MeasureOptions
from autotune.measurement._probe import violations
from autotune.measurement._prober import OnProbe, Prober
from autotune.measurement._profile import profile
from autotune.measurement._question import CERTIFIED_RATE, Question
from autotune.measurement._race import race
from autotune.measurement._screen import screen, warm_up
from autotune.measurement._types import Measurement, Probe
from autotune.objective import Objective
from autotune.server import RunningServer


class Meter:
    """Measures one running server under one objective; keeps every probe, also when it is interrupted.

    Args:
        server: A ready server.
        generator: A load generator pointed at it.
        objective: What is promised.
        options: Window lengths, resolution and confidence.
        on_probe: Called after every probe, for progress.
        batch_size: Inferences in one of the generator's requests.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        server: RunningServer,
        generator: LoadGenerator,
        objective: Objective,
        options: MeasureOptions | None = None,
        on_probe: OnProbe = lambda probe: None,
        batch_size: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objective = objective
        self._options = options or MeasureOptions()
        self._prober = Prober(server, generator, objective, self._options, on_probe, batch_size)
        self._clock = clock
        self._started = clock()
        self._decided_by: Probe | None = None
        self._kept = False
        self._certified = False
        self._confidence = 0.0
        self._located_per_s: float | None = None
        self._first_failing_per_s: float | None = None
        self._beaten_by_per_s: float | None = None

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
        """
        self._prober.reseed(question.seed)
        warm_up(self._prober, self._clock)
        if self._objective.goal == "latency":
            self._measure_at_rate(question)
        else:
            self._measure_highest_rate(question)
        return self.measurement

    @property
    def measurement(self) -> Measurement:
        """What is known so far; infeasible until a rate was shown to hold."""
        decided_by = self._decided_by
        missed = self._missed(decided_by) if decided_by else {}
        feasible = self._kept and decided_by is not None and missed.get("lost", 0.0) <= 0
        return Measurement(
            feasible=feasible,
            rate_per_s=self._carried_per_s() if feasible else 0.0,
            first_failing_per_s=self._first_failing_per_s,
            latency_s=dict(decided_by.latency_s) if decided_by else {},
            ceilings=self._objective.ceilings,
            violations=missed,
            decided_by=decided_by,
            probes=tuple(self.probes),
            seconds=self._clock() - self._started,
            located_per_s=self._located_per_s,
            certified=self._certified,
            confidence=self._confidence,
            beaten_by_per_s=self._beaten_by_per_s,
            limited_by=limited_by(self.probes, decided_by, self._prober.instances) if feasible else None,
            instances=self._prober.instances,
        )

    def _measure_at_rate(self, question: Question) -> None:
        rate_per_s = self._objective.rate_per_s
        assert rate_per_s is not None  # noqa: S101  # the objective guarantees it
        if question.profiled:
            screen(self._prober)  # nothing is decided by it
            profile(self._prober)
        self._decided_by = probe = self._prober.at_rate("certify", rate_per_s, self._options.confirm_s)
        self._kept = probe.holds
        self._certified = True
        self._confidence = min((each.confidence for each in probe.evidence), default=0.0)

    def _measure_highest_rate(self, question: Question) -> None:
        screened = self._decided_by = screen(self._prober)
        if not screened.holds:
            return
        saturated = profile(self._prober) if question.profiled else None
        if self._objective.load == "closed":
            self._measure_in_closed_loop(screened, question)
            return
        if question.beat_per_s is not None:
            raced = self._decided_by = race(self._prober, question.beat_per_s)
            if not raced.holds:
                self._beaten_by_per_s = self._first_failing_per_s = question.beat_per_s
                return
        if not question.located and question.around_per_s is not None:
            self._certify(question.around_per_s, None, question)
            return
        located = locate_rate(self._prober, screened, question, saturated)
        if located is None:
            self._decided_by = self._prober.nearest_miss()
            self._first_failing_per_s = min(
                (probe.asked_per_s for probe in self.probes if probe.purpose == "locate"), default=None
            )
            return
        self._located_per_s = located.rate_per_s
        if question.certified:
            self._certify(located.rate_per_s, located.failing_per_s, question)
        else:
            held = self._prober.highest_holding()
            self._kept = held is not None
            self._decided_by = held or self._prober.nearest_miss()
            self._first_failing_per_s = located.failing_per_s

    def _measure_in_closed_loop(self, screened: Probe, question: Question) -> None:
        concurrency = question.concurrency
        if question.located or concurrency is None:
            profiled = [
                probe.achieved_per_s for probe in self._prober.counted if probe.purpose == "profile" and probe.holds
            ]
            if profiled and question.around_per_s is None:
                question = replace(question, around_per_s=max(profiled))
            climbed = climb(self._prober, screened, question)
            self._decided_by, self._kept = climbed.probe, not climbed.beaten
            if climbed.beaten:
                self._beaten_by_per_s = question.beat_per_s
                return
            self._located_per_s = climbed.probe.achieved_per_s
            concurrency = climbed.probe.concurrency
        if question.certified and concurrency is not None:
            self._take(certify_concurrency(self._prober, concurrency, question.certified_within_s))

    def _certify(self, located_per_s: float, failing_per_s: float | None, question: Question) -> None:
        rate_per_s = located_per_s * (1 - self._options.margin)
        certificate = certify(self._prober, rate_per_s, question.effort, question.certified_within_s, failing_per_s)
        self._take(certificate)
        self._first_failing_per_s = self._prober.lowest_failing(
            certificate.probe.asked_per_s if certificate.kept else 0.0
        )

    def _take(self, certificate: Certificate) -> None:
        self._certified = True
        self._decided_by = certificate.probe
        self._kept = certificate.kept
        self._confidence = certificate.confidence

    def _carried_per_s(self) -> float:
        """The rate that is the answer: the certified one, or the located one where no certificate was asked for."""
        if not self._certified and self._located_per_s is not None:
            return self._located_per_s
        return self._decided_by.asked_per_s if self._decided_by else 0.0

    def _missed(self, probe: Probe) -> dict[str, float]:
        """The probe's violations; lost requests break no ceiling where there is none, but leave no latency."""
        missed = violations(probe, self._objective.ceilings)
        if self._objective.goal == "latency" and not math.isfinite(
            probe.latency_s[self._objective.optimised_statistic]
        ):
            missed["lost"] = probe.failed / max(1, probe.requests)
        if self._beaten_by_per_s is not None:
            missed["race"] = max(0.001, 1 - min(probe.achieved_per_s, probe.asked_per_s) / self._beaten_by_per_s)
        return missed
