"""Runs the windows of one measurement: their schedules and seeds, and again where one was disturbed."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence

from autotune.errors import AutotuneError
from autotune.load import ClosedLoop, LoadGenerator, Schedule, open_loop
from autotune.measurement._judge import Judge, StopRule
from autotune.measurement._options import MeasureOptions, drain_timeout_s, requests_needed
from autotune.measurement._probe import run_probe, violations
from autotune.measurement._serving import Serving
from autotune.measurement._types import Probe, Purpose
from autotune.objective import Objective
from autotune.server import ModelStatistics, RunningServer

OnProbe = Callable[[Probe], None]

_NEVER = StopRule()


class TimeIsUp(AutotuneError):
    """A window does not fit into the time that the measurement may take."""


class Prober:
    """Offers loads to one running server and keeps every window, also when it is interrupted.

    A window that turns out invalid (see `autotune.measurement.Guards`) is run again with another seed after a pause, a
    few times at most and in all: a machine that stays disturbed for more than some seconds is not waited for.

    Args:
        server: A ready server.
        generator: A load generator pointed at it.
        objective: What is promised.
        options: Lengths of windows and the seed.
        on_probe: Called after every window.
        batch_size: Inferences in one of the generator's requests.
        clock: Monotonic seconds.
        called: The models that the model calls itself.

    Attributes:
        deadline: When the measurement has to end, by the clock.
        share_ends: When it should end, by the clock: an answer is given once there is one.
        probes: Every window so far.
        counted: Those that count: of a window and its repeats the last one, without those that were disregarded.
        serving: What the server makes of its config.
        instances: The model's instances.
    """

    def __init__(
        self,
        server: RunningServer,
        generator: LoadGenerator,
        objective: Objective,
        options: MeasureOptions,
        on_probe: OnProbe = lambda probe: None,
        batch_size: int = 1,
        clock: Callable[[], float] = time.monotonic,
        called: Sequence[str] = (),
    ) -> None:
        self.deadline = self.share_s = self.share_ends = math.inf
        self.server = server
        self.objective = objective
        self.options = options
        self.batch_size = batch_size
        self.probes: list[Probe] = []
        self.counted: list[Probe] = []
        self._generator = generator
        self._on_probe = on_probe
        self._clock = clock
        self._repeats = options.repeats_in_all
        self._first_seed = options.seed * 1_000_003
        self.serving = Serving.of(server, objective.shares, called)
        self.instances = self.serving.instances

    def left_s(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return self.deadline - self._clock()

    def share_left_s(self) -> float:
        """Seconds until the measurement should end; infinite if it may take its time."""
        return self.share_ends - self._clock()

    def alone_s(self, probe: Probe) -> float:
        """What one request takes by a window of one at a time, in seconds.

        The mean, or the median where the mean is infinite (a request failed) or one that waits for Triton's polls.
        """
        mean_s = probe.latency_s["avg"]
        return probe.latency_s["p50"] if self.serving.polls or not math.isfinite(mean_s) else mean_s

    def is_slow(self, alone_s: float) -> bool:
        """Whether the measurement's share of the time is too short for windows that the strictest percentile takes."""
        requests = self.options.share_windows * requests_needed(self.objective)
        return requests * alone_s > self.share_s

    def reseed(self, number: int) -> None:
        """Draws other arrivals from here on, the same for the same number."""
        self._first_seed += number * 10_007

    def closed_loop(
        self, purpose: Purpose, concurrency: int, duration_s: float, rule: StopRule = _NEVER, *, repeat: bool = True
    ) -> Probe:
        """A closed loop of ``concurrency`` requests for ``duration_s``, begun over about what one request takes."""
        took_s = [probe.latency_s["p50"] for probe in self.probes if math.isfinite(probe.latency_s["p50"])]
        spread_s = min(min(took_s, default=0.0), self.options.spread_part * duration_s)
        schedule = ClosedLoop(concurrency, self.objective.client_s, spread_s)
        return self._valid(purpose, lambda: schedule, duration_s, rule, repeat=repeat)

    def at_rate(self, purpose: Purpose, rate_per_s: float, at_least_s: float, rule: StopRule = _NEVER) -> Probe:
        """``rate_per_s`` inferences/s for ``at_least_s``, longer where that is too few requests."""
        requests_per_s = rate_per_s / self.batch_size
        duration_s = self.options.window_s(at_least_s, requests_per_s, self.objective)
        return self._valid(
            purpose, lambda: open_loop(self.objective.arrivals, requests_per_s, self._seed()), duration_s, rule
        )

    def one_at_a_time(self, purpose: Purpose, generator: LoadGenerator, duration_s: float) -> Probe:
        """Another generator's requests one after the other; nothing is judged by it, and it does not count."""
        return self._probe(purpose, ClosedLoop(1), duration_s, _NEVER, generator)

    def clustering(self) -> float:
        """Requests that are late together: those of a batch that the server formed lately, or of a burst."""
        bursts = max(1.0, self.objective.arrivals.dispersion)
        for probe in reversed(self.probes):
            if probe.server.execution_count:
                parts = [each.server for each in probe.parts] + [each.server for each in probe.streams]
                return max(bursts, *(each.mean_batch_size / self.batch_size for each in (probe.server, *parts)))
        return bursts

    def disregard(self, probes: Sequence[Probe]) -> None:
        """Keeps these windows, but lets them count no more."""
        self.counted = [probe for probe in self.counted if not any(probe is each for each in probes)]

    def _seed(self) -> int:
        """A seed that no other window of this measurement has, however long it took to warm up."""
        return self._first_seed + sum(probe.purpose != "warm-up" for probe in self.probes)

    def _valid(
        self, purpose: Purpose, schedule: Callable[[], Schedule], duration_s: float, rule: StopRule, repeat: bool = True
    ) -> Probe:
        probe = self._probe(purpose, schedule(), duration_s, rule)
        options = self.options
        most = options.repeats if duration_s <= options.long_s else options.repeats // 2
        repeats = min(most, self._repeats) if repeat else 0
        while probe.verdict == "invalid" and repeats and self.left_s() > duration_s:
            pause_s = options.first_pause_s * 2 ** (options.repeats_in_all - self._repeats)
            time.sleep(min(options.longest_pause_s, pause_s))
            repeats -= 1
            self._repeats -= 1
            probe = self._probe(purpose, schedule(), duration_s, rule)
        self.counted.append(probe)
        return probe

    def _probe(
        self,
        purpose: Purpose,
        schedule: Schedule,
        duration_s: float,
        rule: StopRule,
        generator: LoadGenerator | None = None,
    ) -> Probe:
        left_s = self.left_s()
        if left_s < self.options.least_part * duration_s:
            raise TimeIsUp("the time budget ended before a load was seen to meet the SLO; give a longer --time-budget")
        duration_s = min(duration_s, left_s)
        ceilings = self.objective.ceilings
        rate = None if isinstance(schedule, ClosedLoop) else schedule.rate_per_s
        probe = run_probe(
            self.server,
            generator or self._generator,
            schedule,
            purpose=purpose,
            duration_s=duration_s,
            timeout_s=drain_timeout_s(self.objective),
            ceilings=ceilings,
            judge=Judge(
                ceilings,
                rule,
                clustering=self.clustering(),
                requests_per_s=rate,
                window_s=duration_s,
                options=self.options,
                shares=self.objective.shares,
            ),
            serving=self.serving,
            goodput_s=self.objective.goodput_s,
            options=self.options,
        )
        self.probes.append(probe)
        self._on_probe(probe)
        return probe

    def nearest_miss(self) -> Probe:
        """The open-loop window that came closest to keeping every ceiling; of closed loops where there was none."""
        open_loop = [probe for probe in self.probes if probe.concurrency is None]
        return min(open_loop or self.probes, key=lambda probe: max(violations(probe, self.objective.ceilings).values()))

    def best_holding(self) -> Probe | None:
        """Of all windows of the search that count, the one that met every ceiling with the most inferences/s."""
        held = [probe for probe in self.counted if probe.holds and probe.purpose in ("race", "locate")]
        return max(held, key=lambda probe: probe.asked_per_s, default=None)

    def highest_holding(self) -> Probe | None:
        """Of the open-loop windows that count, the one of the highest rate that kept every ceiling; None for none."""
        held = [probe for probe in self.counted if probe.holds and probe.concurrency is None]
        return max(held, key=lambda probe: probe.asked_per_s, default=None)

    def filling_batches(self, concurrency: float) -> int:
        """The nearest number of outstanding requests that makes full batches; 0 where that is none."""
        requests = max(1, self.serving.largest_batch // self.batch_size)
        return round(concurrency / requests) * requests

    def saturating_concurrency(self) -> int:
        """Enough outstanding requests to fill every instance's batch and the next one behind it."""
        concurrency = math.ceil(self.serving.saturating / self.batch_size)
        return min(self.options.max_concurrency, max(self.options.least_saturating, concurrency))

    def capacity_per_s(self) -> float:
        """Inferences/s that instances which are always busy would complete, by the executions so far.

        Of an ensemble those of its slowest step, of several models what the first busy one
        allows. Instances that share a device complete less.
        """
        models = [[(probe.server, self.instances)] for probe in self.probes]
        if self.serving.steps:
            models = [[(each.server, each.step.instances) for each in probe.steps] for probe in self.probes]
        parts = [1.0]
        if self.serving.streams:
            models = [[(each.server, each.stream.instances) for each in probe.streams] for probe in self.probes]
            parts = [each.share for each in self.serving.streams]
        most = [max(map(_most_per_s, windows), default=0.0) for windows in zip(*models, strict=True)]
        return min(per_s / part for per_s, part in zip(most, itertools.cycle(parts), strict=False))

    def execution_s(self) -> float:
        """Mean seconds of an execution lately, by the instances that run side by side; 0 where none was seen."""
        seen = [probe.server for probe in self.probes if probe.server.execution_count]
        return seen[-1].busy_s / seen[-1].execution_count / self.instances if seen else 0.0


def _most_per_s(window: tuple[ModelStatistics, int]) -> float:
    """Inferences/s of so many instances that are always busy with batches of the best size in a window."""
    server, instances = window
    rates = (
        size * server.batch_executions.get(size, 0) / busy_ns * 1e9
        for size, busy_ns in server.batch_compute_ns.items()
        if busy_ns
    )
    return instances * max(rates, default=0.0)
