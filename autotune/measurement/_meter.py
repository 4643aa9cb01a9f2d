"""A measurement of one running server, probe by probe."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from autotune.load import ClosedLoop, LoadGenerator, PoissonRate, Schedule
from autotune.measurement._options import MeasureOptions, drain_timeout_s
from autotune.measurement._probe import run_probe, violations
from autotune.measurement._types import Measurement, Probe, Purpose
from autotune.objective import Objective
from autotune.server import RunningServer

OnProbe = Callable[[Probe], None]

_WARM_UP_WINDOW_S = 0.2
_WARM_UP_SETTLED = 0.05
_MIN_SATURATING_CONCURRENCY = 16
_MAX_SATURATING_CONCURRENCY = 512
_FIRST_FRACTION_OF_SATURATION = 0.8
_STEP_DOWN = 0.6
_STEP_UP = 1.15
_GIVE_UP_BELOW = 0.05
_CONFIRM_ATTEMPTS = 6
_SCREEN_ATTEMPTS = 2


class Meter:
    """Measures one running server under one objective; keeps every probe, also when it is interrupted.

    Args:
        server: A ready server.
        generator: A load generator pointed at it.
        objective: What is promised.
        options: Window lengths and resolution.
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
        self.probes: list[Probe] = []
        self._server = server
        self._generator = generator
        self._objective = objective
        self._options = options or MeasureOptions()
        self._on_probe = on_probe
        self._batch_size = batch_size
        self._clock = clock
        self._started = clock()
        self._decided_by: Probe | None = None
        self._first_failing_per_s: float | None = None

    def measure(self) -> Measurement:
        """The answer to the objective for this server.

        Raises:
            ServerCrashed: The server died under load.
        """
        self._warm_up()
        if self._objective.goal == "latency":
            self._measure_at_rate()
        else:
            screen = self._screen()
            if screen.holds:
                self._locate(screen)
        return self.measurement

    @property
    def measurement(self) -> Measurement:
        """What is known so far; infeasible until a confirming probe held."""
        decided_by = self._decided_by
        confirmed = decided_by is not None and decided_by.holds and decided_by.purpose == "confirm"
        missed = self._missed(decided_by) if decided_by else {}
        confirmed = confirmed and missed.get("lost", 0.0) <= 0
        return Measurement(
            feasible=confirmed,
            rate_per_s=decided_by.asked_per_s if confirmed and decided_by else 0.0,
            first_failing_per_s=self._first_failing_per_s,
            latency_s=dict(decided_by.latency_s) if decided_by else {},
            ceilings=self._objective.ceilings,
            violations=missed,
            decided_by=decided_by,
            probes=tuple(self.probes),
            seconds=self._clock() - self._started,
        )

    def _missed(self, probe: Probe) -> dict[str, float]:
        """The probe's violations; lost requests break no ceiling where there is none, but leave no latency."""
        missed = violations(probe, self._objective.ceilings)
        if self._objective.goal == "latency" and not math.isfinite(
            probe.latency_s[self._objective.optimised_statistic]
        ):
            missed["lost"] = probe.failed / max(1, probe.requests)
        return missed

    def _warm_up(self) -> None:
        """Offers one request at a time until latency stops falling; bounded."""
        deadline = self._clock() + self._options.warm_up_s
        best_s = math.inf
        while self._clock() < deadline:
            p50_s = self._probe("warm-up", ClosedLoop(1), _WARM_UP_WINDOW_S).latency_s["p50"]
            if p50_s > best_s * (1 - _WARM_UP_SETTLED):
                return
            best_s = p50_s

    def _screen(self) -> Probe:
        """Whether one request at a time keeps the ceilings; asked twice, as a hiccup is not the config's fault."""
        for _ in range(_SCREEN_ATTEMPTS):
            self._decided_by = screen = self._probe("screen", ClosedLoop(1), self._options.screen_s)
            if screen.holds:
                break
        return screen

    def _measure_at_rate(self) -> None:
        rate_per_s = self._objective.rate_per_s
        assert rate_per_s is not None  # noqa: S101  # the objective guarantees it
        self._decided_by = self._at_rate("confirm", rate_per_s, self._options.confirm_s)

    def _locate(self, screen: Probe) -> None:
        """Brackets the highest holding rate, bisects the bracket, confirms with a longer probe."""
        holding, failing = self._bracket(screen)
        self._first_failing_per_s = failing
        if holding is None:
            self._decided_by = self._nearest_miss()
            return
        while failing / holding > 1 + self._options.resolution:
            middle = math.sqrt(holding * failing)
            if self._at_rate("locate", middle, self._options.probe_s).holds:
                holding = middle
            else:
                failing = middle
        self._confirm(holding, failing)

    def _bracket(self, screen: Probe) -> tuple[float | None, float]:
        """A holding rate (None where none was found) and a failing one, from what a saturating load carries."""
        saturated = self._probe("saturate", ClosedLoop(self._saturating_concurrency()), self._options.probe_s)
        reference = max(saturated.achieved_per_s, screen.achieved_per_s)
        rate = reference * _FIRST_FRACTION_OF_SATURATION
        holding: float | None = None
        failing: float | None = None
        while holding is None or failing is None:
            if self._at_rate("locate", rate, self._options.probe_s).holds:
                holding = rate
                rate *= _STEP_UP
            else:
                failing = rate
                rate *= _STEP_DOWN
                if holding is None and rate < screen.achieved_per_s * _GIVE_UP_BELOW:
                    return None, failing
        return holding, failing

    def _confirm(self, rate: float, failing: float) -> None:
        """Confirms ``rate`` with a longer probe; while it does not hold, steps down by ever more."""
        step = 1 + self._options.resolution
        for _ in range(_CONFIRM_ATTEMPTS):
            probe = self._at_rate("confirm", rate, self._options.confirm_s)
            self._decided_by = probe
            self._first_failing_per_s = failing
            if probe.holds:
                return
            failing = min(failing, rate)
            rate /= step
            step **= 2

    def _at_rate(self, purpose: Purpose, rate_per_s: float, at_least_s: float) -> Probe:
        duration_s = self._options.window_s(at_least_s, rate_per_s / self._batch_size, self._objective)
        return self._probe(purpose, self._poisson(rate_per_s), duration_s)

    def _poisson(self, rate_per_s: float) -> PoissonRate:
        """A schedule of ``rate_per_s`` inferences/s with a seed of its own."""
        return PoissonRate(rate_per_s / self._batch_size, seed=self._options.seed * 1_000_003 + len(self.probes))

    def _probe(self, purpose: Purpose, schedule: Schedule, duration_s: float) -> Probe:
        probe = run_probe(
            self._server,
            self._generator,
            schedule,
            purpose=purpose,
            duration_s=duration_s,
            timeout_s=drain_timeout_s(self._objective),
            ceilings=self._objective.ceilings,
        )
        self.probes.append(probe)
        self._on_probe(probe)
        return probe

    def _saturating_concurrency(self) -> int:
        """Enough outstanding requests to fill every instance's batch and the next one behind it."""
        config = self._server.model_config()
        groups = config.get("instance_group")
        instances = sum(int(group.get("count", 1)) for group in groups) if isinstance(groups, list) else 1
        batch = max(1, int(str(config.get("max_batch_size", 0))))
        return min(
            _MAX_SATURATING_CONCURRENCY,
            max(_MIN_SATURATING_CONCURRENCY, math.ceil(2 * instances * batch / self._batch_size)),
        )

    def _nearest_miss(self) -> Probe:
        """The open-loop probe that came closest to keeping every ceiling."""
        located = [probe for probe in self.probes if probe.purpose == "locate"]
        return min(located, key=lambda probe: max(violations(probe, self._objective.ceilings).values()))
