"""What a study and its simulation say of the traffic that comes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from autotune.drift._interval import Interval
from autotune.errors import UsageError
from autotune.measurement import Measurement
from autotune.prediction import service_times, windows_of
from autotune.repository import ModelConfig
from autotune.search import StudyResult
from autotune.simulator import Batching, ServiceTimes, simulate

_TRIALS = 50
_SIMULATED = 20_000  # requests
_LEAST_REQUESTS = 100  # of an interval that is judged by its latency
_SLOWER = 0.5  # more latency than simulated, as a fraction; the simulation's error is a few percent [guess]


class Drift(str, Enum):
    """How the deployed config fits the traffic, the best first."""

    FITS = "fits"
    CLOSE = "close to its limit"
    SLOWER = "slower than predicted"
    OVERLOADED = "overloaded"


@dataclass(frozen=True)
class Judgement:
    """One interval beside what was expected of it.

    Attributes:
        drift: How the config fits.
        expected_s: Simulated mean time of a request within the server at that rate; None if it is not simulated.
        expected_batch: Simulated mean batch; None if it is not simulated.
    """

    drift: Drift
    expected_s: float | None
    expected_batch: float | None


class Expectation:
    """What the delivered config of a study is expected to do.

    Attributes:
        sustained_per_s: Inferences/s that it sustains under the ceilings, of all models together: the rate that was
            offered if the study looked for the lowest latency or memory, or the highest goodput, at one.
        certified_per_s: Inferences/s at which that was shown with the study's confidence; None if it was not.
    """

    def __init__(self, result: StudyResult) -> None:
        """Learns from the trials of ``result``, which holds their windows.

        Raises:
            UsageError: No config of the study meets the SLO.
        """
        best, measured = result.best, result.measured
        if best is None or measured is None:
            raise UsageError(
                f"--study: no config of {result.study!r} meets its SLO, so there is nothing to watch; tune again first"
            )
        config = ModelConfig.parse(best.outcome.config_text, "the delivered config")
        self.sustained_per_s = _sustained_per_s(result, measured)
        self.certified_per_s = measured.proved_per_s
        batching = None if result.objective.weights else Batching.of(config)  # one model is simulated here
        outcomes = [trial.outcome for trial in result.trials]
        self._batching = batching
        self._service: ServiceTimes | None = None
        if batching is not None:
            self._service = service_times(windows_of(outcomes, _TRIALS), batching.max_batch_size)

    def judge(self, interval: Interval) -> Judgement:
        """How the config fits an interval's traffic."""
        expected_s, expected_batch = self._simulated(interval.requests_per_s)
        if interval.inferences_per_s > self.sustained_per_s:
            drift = Drift.OVERLOADED
        elif (
            expected_s is not None
            and interval.requests >= _LEAST_REQUESTS
            and interval.latency_s > (1 + _SLOWER) * expected_s
        ):
            drift = Drift.SLOWER
        elif self.certified_per_s is not None and interval.inferences_per_s > self.certified_per_s:
            drift = Drift.CLOSE
        else:
            drift = Drift.FITS
        return Judgement(drift, expected_s, expected_batch)

    def _simulated(self, requests_per_s: float) -> tuple[float | None, float | None]:
        if self._batching is None or self._service is None or requests_per_s <= 0:
            return None, None
        random = np.random.default_rng(0)
        arrivals_s = np.cumsum(random.exponential(1 / requests_per_s, _SIMULATED))
        simulated = simulate(self._batching, self._service, arrivals_s)
        outside_s = float(self._service.overhead_s.mean())  # client and network
        return float(simulated.latency_s.mean()) - outside_s, simulated.mean_batch


def _sustained_per_s(result: StudyResult, measured: Measurement) -> float:
    if result.objective.rate_per_s is not None and result.objective.goal != "throughput":
        return result.objective.rate_per_s
    if result.finals is not None and result.finals.sustained is not None:
        return result.finals.sustained.value
    searched = result.best.outcome.measurement if result.best else None
    return searched.rate_per_s if searched else measured.rate_per_s
