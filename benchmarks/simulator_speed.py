"""How fast the simulator ranks a space, against the same model in plain Python events. Target: 2,000 configs in 4 s.

The space is made of batch sizes, delays, preferred sizes and instance counts; the times are the bundled
`accelerator`'s, with a spread of executions. The peer simulates windows of a few of these configs at their predicted
rates; both must give every request the same latency.

    python benchmarks/simulator_speed.py [--candidates 2000] [--p99-ms 20] [--requests 20000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence

import numpy as np

from autotune.objective import Ceiling
from autotune.prediction import PredictionOptions
from autotune.simulator import Batching, ServiceTimes, _draws, highest_rates, simulate

SIZES = np.arange(1, 65)
PEER_CONFIGS = 8
OPTIONS = PredictionOptions()
FIRST_USE = """
import time
import numpy as np
from autotune.simulator import Batching, ServiceTimes, simulate

one = np.ones(1)
begun = time.perf_counter()
simulate(Batching(1, dynamic=False), ServiceTimes(one, one, one, one), np.arange(3.0))
print(time.perf_counter() - begun)
"""


def main() -> None:
    """Prints what a space costs, the first use, and the ratio to the peer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--candidates", type=int, default=2000)
    parser.add_argument("--p99-ms", type=float, default=20.0)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        compiling, kept = (first_use_s(cache) for _ in range(2))
    print(f"first use in a process: {compiling:.1f} s compiling, {kept:.2f} s with compiled code on disk")

    candidates, service = space(arguments.candidates), times()
    ceilings = [Ceiling("p99", arguments.p99_ms / 1e3)]
    predictions = highest_rates(candidates[:1], service, ceilings, requests=arguments.requests)
    seconds = []
    for _ in range(arguments.rounds):
        begun = time.process_time()
        predictions = highest_rates(candidates, service, ceilings, requests=arguments.requests)
        seconds.append(time.process_time() - begun)
    print(
        f"{len(candidates)} configs, p99 <= {arguments.p99_ms:g} ms, windows of {arguments.requests} requests: "
        f"{statistics.median(seconds):.1f} s of CPU (median of {arguments.rounds})"
    )
    begun = time.process_time()
    as_searched(candidates, service, ceilings)
    print(f"as a search does, in short windows and the best in long ones: {time.process_time() - begun:.1f} s of CPU")

    _draws.BATCHER_FIRST = 0.0  # the peer's instances are always first
    chosen = range(0, len(candidates), max(1, len(candidates) // PEER_CONFIGS))
    ratios, ours_per_s = [], []
    for number in chosen:
        batching = candidates[number]
        rate_per_s = predictions[number].rate_per_s or predictions[number].saturation_per_s / 2
        gaps = np.random.default_rng(number).exponential(1 / rate_per_s, arguments.requests)
        arrivals_s = gaps.cumsum()
        plain = ServiceTimes(service.host_s, service.device_s, np.zeros(1), np.ones(1))
        begun = time.process_time()
        repeats = 20
        for _ in range(repeats):
            simulated = simulate(batching, plain, arrivals_s)
        ours = (time.process_time() - begun) / repeats
        peer = Peer(batching, plain)
        begun = time.process_time()
        latencies = peer.run(arrivals_s.tolist())
        theirs = time.process_time() - begun
        assert np.allclose(latencies, simulated.latency_s, rtol=0, atol=1e-9), batching
        ratios.append(theirs / ours)
        ours_per_s.append(arguments.requests / ours)
    print(
        f"one window: {statistics.median(ours_per_s) / 1e6:.0f} million requests/s, {statistics.median(ratios):.0f} "
        f"times the plain Python events (median of {len(ratios)} configs)"
    )


def as_searched(candidates: Sequence[Batching], service: ServiceTimes, ceilings: Sequence[Ceiling]) -> None:
    """Simulates every config roughly, and the best of them as finely as separates close ones."""
    rough = highest_rates(candidates, service, ceilings, requests=OPTIONS.coarse_requests)
    order = sorted(range(len(candidates)), key=lambda number: -rough[number].rate_per_s)
    best = [candidates[number] for number in order[: OPTIONS.fine_configs]]
    highest_rates(best, service, ceilings, requests=OPTIONS.fine_requests)


def space(count: int) -> list[Batching]:
    """``count`` different configs, evenly taken from all combinations."""
    sizes = (1, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)
    delays_us = (0, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 4000, 5000, 7000, 10000)
    every = [
        Batching(size, True, delay_us / 1e6, preferred, instances)
        for size, delay_us, instances in itertools.product(sizes, delays_us, (1, 2, 3, 4))
        for preferred in dict.fromkeys(((), (max(1, size // 2),), (max(1, size // 4), size)))
    ]
    return [every[number * len(every) // count] for number in range(count)]


def times() -> ServiceTimes:
    """The accelerator's times, executions that vary, and some overhead."""
    random = np.random.default_rng(0)
    spread = random.gamma(100, 1 / 100, 1000)
    overhead_s = np.sort(random.gamma(4, 1e-4, 1000))
    return ServiceTimes(np.full(len(SIZES), 0.5e-3), 2e-3 + 0.1e-3 * SIZES, overhead_s, spread / spread.mean())


def first_use_s(cache: str) -> float:
    """Seconds until the first window is simulated in a new process that keeps compiled code in ``cache``."""
    environment = {"NUMBA_CACHE_DIR": cache, "PATH": "/usr/bin:/bin"}
    ran = subprocess.run([sys.executable, "-c", FIRST_USE], env=environment, capture_output=True, text=True, check=True)
    return float(ran.stdout)


class Peer:
    """The same model as one would write it in Python: a heap of events, queues of requests, payloads as lists."""

    def __init__(self, batching: Batching, service: ServiceTimes) -> None:
        self.batching = batching
        self.host_s, self.device_s = service.host_s.tolist(), service.device_s.tolist()
        self.preferred = set(batching.preferred_sizes) or {batching.max_batch_size}
        self.events: list[tuple[float, int, str, list[int]]] = []
        self.numbers = itertools.count()
        self.queue: deque[int] = deque()
        self.payloads: deque[list[int]] = deque()
        self.filling: list[int] | None = None
        self.idle = batching.instances
        self.device_free_s = 0.0
        self.renewed = True
        self.pending = 0
        self.next_preferred = 0
        self.timer_s: float | None = None

    def run(self, arrivals_s: Sequence[float]) -> list[float]:
        """The latency of each request."""
        self.arrivals_s = arrivals_s
        latencies = [0.0] * len(arrivals_s)
        for request, arrival_s in enumerate(arrivals_s):
            self._at(arrival_s, "arrival", [request])
        while self.events:
            now_s, _, kind, requests = heapq.heappop(self.events)
            if kind == "arrival":
                self.queue.extend(requests)
                if len(self.payloads) < 2 * self.batching.instances and (
                    self.renewed or len(self.queue) >= self.next_preferred
                ):
                    self._batch(now_s)
                self._start(now_s)
            elif kind == "device":
                self.device_free_s = max(now_s, self.device_free_s) + self.device_s[len(requests) - 1]
                self._at(self.device_free_s, "done", requests)
            elif kind == "done":
                self.idle += 1
                for request in requests:
                    latencies[request] = now_s - arrivals_s[request]
                self._start(now_s)
                self._batch(now_s)
                self._start(now_s)
            elif now_s == self.timer_s:
                self._batch(now_s)
                self._start(now_s)
        return latencies

    def _at(self, time_s: float, kind: str, requests: list[int]) -> None:
        heapq.heappush(self.events, (time_s, next(self.numbers), kind, requests))

    def _start(self, now_s: float) -> None:
        """Idle instances take payloads, and those behind them that are past the delay and fit."""
        delay_s, max_batch = self.batching.max_queue_delay_s, self.batching.max_batch_size
        while self.idle and self.payloads:
            requests = self._taken()
            while (
                self.payloads and delay_s and max_batch > 1 and now_s - self.arrivals_s[self.payloads[0][0]] > delay_s
            ):
                fits = len(requests) + len(self.payloads[0]) <= max_batch
                if self.payloads[0] is self.filling:
                    self._renew()
                if not fits:
                    break
                requests = requests + self._taken()
            self._at(now_s + self.host_s[len(requests) - 1], "device", requests)
            self.idle -= 1
            self._batch(now_s)

    def _taken(self) -> list[int]:
        payload = self.payloads.popleft()
        if payload is self.filling:
            self._renew()
        return payload

    def _renew(self) -> None:
        self.filling, self.renewed = None, True

    def _batch(self, now_s: float) -> None:
        """Fills payloads from the queue as long as something is sent."""
        self.timer_s = None
        while self.queue and len(self.payloads) < 2 * self.batching.instances:
            if self.renewed:
                self.renewed, self.next_preferred = False, 0
            count, saturated = self._decide(now_s, len(self.filling or ()))
            if count == 0 and not saturated:
                return
            if count:
                if self.filling is None:
                    self.filling = []
                    self.payloads.append(self.filling)
                self.filling.extend(self.queue.popleft() for _ in range(count))
                self.pending = 0
            if saturated:
                self._renew()

    def _decide(self, now_s: float, filled: int) -> tuple[int, bool]:
        """How many requests are sent, and whether the payload is closed."""
        delay_s, largest = self.batching.max_queue_delay_s, max(self.preferred)
        best, pending, saturated = 0, self.pending, False
        deadline_s = self.arrivals_s[self.queue[0]] + delay_s
        late = delay_s > 0 and now_s >= deadline_s
        full = False
        while pending < len(self.queue) and not full:
            if filled + pending and filled + pending + 1 > largest and not best:
                best, saturated = pending, True
            full = filled + pending + 1 > self.batching.max_batch_size
            if not full:
                pending += 1
                best = pending if filled + pending in self.preferred else best
        if best and not late:
            return best, saturated or not delay_s
        if full or filled + pending >= largest or pending == 0:
            return pending, True
        if late or not delay_s:
            return pending, saturated
        self.next_preferred = min(size for size in self.preferred if size > filled + pending) - filled
        if filled and filled not in self.preferred and not saturated:
            return pending, saturated
        self.timer_s, self.pending = deadline_s, pending
        self._at(deadline_s, "timer", [])
        return 0, False


if __name__ == "__main__":
    main()
