"""Error rates on simulated queues, whose late requests cluster as a server's do.

Every run starts with an empty queue and is judged after every block, as production does it. Latency limits were set
by simulating 20 million requests of each queue; a test checks that the runs' own late fractions agree.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from autotune.measurement.statistics import (
    DEFAULTS,
    LateCounts,
    Verdict,
    mean_bounds,
    percentile_bounds,
)

BLOCK_S = 0.05
P0 = 0.01
ALPHA = 0.05
RUNS = 50
SECONDS = 12.0


@dataclass(frozen=True)
class Queue:
    """A server that takes up to ``batch`` waiting requests at a time, for ``fixed_s + per_item_s * taken``."""

    load: float
    batch: int
    fixed_s: float
    per_item_s: float
    limit_s: dict  # late fraction -> the limit that so many exceed

    @property
    def rate_per_s(self):
        return self.load * self.batch / (self.fixed_s + self.per_item_s * self.batch)

    def latencies(self, seconds, runs, seed, speed=1.0):
        """Arrival times and latencies, shapes (runs, requests); arrivals after ``seconds`` are at infinity."""
        rate = self.rate_per_s * speed
        size = math.ceil(rate * seconds + 5 * math.sqrt(rate * seconds))
        arrivals = np.random.default_rng(seed).exponential(1 / rate, (runs, size)).cumsum(axis=1)
        if self.batch == 1:
            # Lindley: the last request before which the server was idle decides when this one leaves.
            work = np.arange(size) * self.fixed_s
            latency = np.maximum.accumulate(arrivals - work, axis=1) + work + self.fixed_s - arrivals
        else:
            latency = self._batched(arrivals)
        arrivals[arrivals >= seconds] = np.inf
        return arrivals, latency

    def _batched(self, arrivals):
        runs, size = arrivals.shape
        padded = np.concatenate([arrivals, np.full((runs, self.batch), np.inf)], axis=1)
        every, items = np.arange(runs), np.arange(self.batch)
        latency = np.full((runs, size + self.batch), np.inf)
        head, free = np.zeros(runs, int), np.zeros(runs)
        while head.min() < size:
            index = np.minimum(head, size)[:, np.newaxis] + items
            waiting = padded[every[:, np.newaxis], index]
            start = np.maximum(free, waiting[:, 0])
            taken = (waiting <= start[:, np.newaxis]) & np.isfinite(waiting)
            count = taken.sum(axis=1)
            end = start + self.fixed_s + self.per_item_s * count
            row, item = np.nonzero(taken)
            latency[row, index[row, item]] = end[row] - waiting[row, item]
            free = np.where(count > 0, end, free)
            head += count
            head[count == 0] = size
        return latency[:, :size]


QUEUES = {
    "device busy 60%": Queue(0.6, 1, 1e-3, 0.0, {0.05: 3.825e-3, 0.013: 5.245e-3, 0.01: 5.521e-3, 0.007: 5.897e-3}),
    "device busy 90%": Queue(0.9, 1, 1e-3, 0.0, {0.05: 15.021e-3, 0.013: 21.413e-3, 0.01: 22.661e-3, 0.007: 24.366e-3}),
    "device busy 95%": Queue(0.95, 1, 2e-4, 0.0, {0.05: 5.932e-3, 0.013: 8.583e-3, 0.01: 9.143e-3, 0.007: 9.936e-3}),
    "batches of 8": Queue(0.9, 8, 2e-3, 1e-4, {0.05: 8.722e-3, 0.013: 10.969e-3, 0.01: 11.403e-3, 0.007: 11.998e-3}),
    "batches of 32": Queue(
        0.95, 32, 2e-3, 1e-4, {0.065: 11.628e-3, 0.013: 14.207e-3, 0.01: 14.635e-3, 0.007: 15.227e-3}
    ),
}


@pytest.fixture(scope="module")
def simulated():
    """Each queue's runs, simulated once."""
    return {name: queue.latencies(SECONDS, RUNS, seed=1) for name, queue in QUEUES.items()}


def blocks_over(arrivals, latency, limit_s, seconds):
    """Requests over a limit in each block, shape (runs, blocks); every request where the limit is negative."""
    runs, blocks = len(arrivals), round(seconds / BLOCK_S)
    row, column = np.nonzero((latency > limit_s) & np.isfinite(arrivals))
    block = np.minimum((arrivals[row, column] / BLOCK_S).astype(int), blocks - 1)
    return np.bincount(row * blocks + block, minlength=runs * blocks).reshape(runs, blocks)


def blocks_of(runs, limit_s, seconds, slow_fractions=DEFAULTS.slow_fractions):
    """Each run's blocks as ``(requests, late, slow)``."""
    arrivals, latency = runs
    requests = blocks_over(arrivals, latency, -1.0, seconds).tolist()
    late = blocks_over(arrivals, latency, limit_s, seconds).tolist()
    slow = [blocks_over(arrivals, latency, fraction * limit_s, seconds) for fraction in slow_fractions]
    slow = np.stack(slow, axis=-1).tolist() if slow else [[()] * len(requests[0])] * len(requests)
    return [list(zip(*run, strict=True)) for run in zip(requests, late, slow, strict=True)]


def first_verdicts(blocks, *, p0=P0, floor=1.0) -> list[Verdict]:
    """Each run's first decided verdict, looking after every block, or its last undecided one."""
    verdicts = []
    for run in blocks:
        counts = LateCounts(p0, floor=floor)
        for block in run:
            counts.add(*block)
            verdict = counts.verdict(ALPHA)
            if verdict.decision != "undecided":
                break
        verdicts.append(verdict)
    return verdicts


def at_most(errors, runs=RUNS):
    """The errors that a rate of ``ALPHA`` leaves plausible in so many runs."""
    return errors <= ALPHA * runs + 2.6 * math.sqrt(runs * ALPHA * (1 - ALPHA))


def told(verdicts, decision):
    return sum(verdict.decision == decision for verdict in verdicts)


@pytest.mark.parametrize("name", QUEUES)
def test_the_simulated_queues_are_as_late_as_their_limits_say(simulated, name):
    arrivals, latency = simulated[name]
    settled = np.isfinite(arrivals) & (arrivals > 3)
    for fraction, limit_s in QUEUES[name].limit_s.items():
        seen = np.count_nonzero(settled & (latency > limit_s)) / np.count_nonzero(settled)
        assert seen == pytest.approx(fraction, rel=0.35)


@pytest.mark.parametrize("name", QUEUES)
def test_a_rate_slightly_too_high_is_seldom_called_holding(simulated, name):
    queue = QUEUES[name]
    verdicts = first_verdicts(blocks_of(simulated[name], queue.limit_s[0.013], SECONDS), floor=queue.batch)
    assert told(verdicts, "holds") <= ALPHA * RUNS


@pytest.mark.parametrize("name", QUEUES)
def test_a_rate_slightly_below_the_highest_is_seldom_called_failing(simulated, name):
    queue = QUEUES[name]
    verdicts = first_verdicts(blocks_of(simulated[name], queue.limit_s[0.007], SECONDS), floor=queue.batch)
    assert at_most(told(verdicts, "fails"))


def test_other_fractions_err_as_seldom(simulated):
    queue = QUEUES["batches of 32"]
    verdicts = first_verdicts(
        blocks_of(simulated["batches of 32"], queue.limit_s[0.065], SECONDS), p0=0.05, floor=queue.batch
    )
    assert at_most(told(verdicts, "holds"))


def test_without_slow_counts_a_rate_too_high_is_called_holding_far_too_readily(simulated):
    limit_s = QUEUES["device busy 95%"].limit_s[0.013]
    assert told(first_verdicts(blocks_of(simulated["device busy 95%"], limit_s, SECONDS, ())), "holds") > RUNS / 3


def test_the_design_effect_of_an_earlier_probe_can_stand_in_for_slow_counts(simulated):
    limit_s = QUEUES["device busy 95%"].limit_s[0.013]
    verdicts = first_verdicts(blocks_of(simulated["device busy 95%"], limit_s, SECONDS, ()), floor=500)
    assert told(verdicts, "holds") <= ALPHA * RUNS


@pytest.mark.parametrize("rate_per_s", [60, 200, 500, 2000, 10_000])
def test_requests_late_for_another_reason_than_the_queue_are_seldom_called_holding(rate_per_s):
    rng = np.random.default_rng(4)
    blocks = [
        [
            (requests, late, (late, late, late))
            for requests in rng.poisson(rate_per_s * BLOCK_S, round(SECONDS / BLOCK_S)).tolist()
            for late in [int(rng.binomial(requests, 0.013))]
        ]
        for _ in range(RUNS)
    ]
    assert at_most(told(first_verdicts(blocks), "holds"))


@pytest.mark.parametrize(
    ("name", "speed", "seconds"),
    [("device busy 90%", 0.8, 2.5), ("device busy 95%", 0.9, 2.5), ("batches of 8", 0.8, 5.0)],
)
def test_a_rate_clearly_low_enough_is_called_holding_within_seconds(name, speed, seconds):
    queue = QUEUES[name]
    runs = queue.latencies(8.0, 20, seed=2, speed=speed)
    verdicts = first_verdicts(blocks_of(runs, queue.limit_s[0.01], 8.0), floor=queue.batch)
    assert told(verdicts, "holds") >= 15
    assert np.median([verdict.blocks for verdict in verdicts]) * BLOCK_S <= seconds


@pytest.mark.parametrize(
    ("name", "speed", "seconds"),
    [
        ("device busy 90%", 1.3, 0.5),
        ("device busy 95%", 1.1, 0.5),
        ("batches of 8", 1.15, 1.0),
        ("batches of 32", 1.05, 2.0),
    ],
)
def test_an_overloaded_rate_is_called_failing_within_a_second_or_two(name, speed, seconds):
    queue = QUEUES[name]
    runs = queue.latencies(5.0, 20, seed=3, speed=speed)
    verdicts = first_verdicts(blocks_of(runs, queue.limit_s[0.01], 5.0), floor=queue.batch)
    assert told(verdicts, "fails") == 20
    assert np.median([verdict.blocks for verdict in verdicts]) * BLOCK_S <= seconds


def test_the_upper_bound_of_a_percentile_needs_the_design_effect(simulated):
    queue = QUEUES["batches of 8"]
    arrivals, latency = simulated["batches of 8"]
    covered = naive = 0
    for run in range(RUNS):
        latency_s = latency[run, np.isfinite(arrivals[run])]
        one = arrivals[run : run + 1], latency[run : run + 1]
        estimate_s = float(np.quantile(latency_s, 0.95))
        counts = LateCounts(0.05, floor=queue.batch)
        for block in blocks_of(one, estimate_s, SECONDS)[0]:
            counts.add(*block)
        effect = counts.verdict(ALPHA).design_effect
        covered += percentile_bounds(latency_s, 0.95, 0.95, effect)[1] >= queue.limit_s[0.05]
        naive += percentile_bounds(latency_s, 0.95, 0.95)[1] >= queue.limit_s[0.05]
    assert at_most(RUNS - covered)
    assert naive < 0.75 * RUNS


def test_the_upper_bound_of_a_mean_covers_that_of_a_queue(simulated):
    # Pollaczek and Khinchine: an M/D/1 queue's mean latency is s + load s / (2 (1 - load)).
    covered = 0
    for name, least in (("device busy 60%", 0.9), ("device busy 90%", 0.8), ("device busy 95%", 0.8)):
        queue = QUEUES[name]
        mean_s = queue.fixed_s * (1 + queue.load / (2 * (1 - queue.load)))
        arrivals, latency = simulated[name]
        bounds = [mean_bounds(latency[run, np.isfinite(arrivals[run])], 0.95) for run in range(RUNS)]
        covered = sum(upper >= mean_s for _, upper in bounds)
        assert covered >= least * RUNS  # nominal 0.95; the runs start with an empty queue
        assert np.median([upper for _, upper in bounds]) < 1.5 * mean_s


def counted(blocks, requests=200, late=0, slow=(0, 0, 0), **options):
    counts = LateCounts(P0, **options)
    for _ in range(blocks):
        counts.add(requests, late, slow)
    return counts.verdict(ALPHA)


def test_holding_is_not_told_before_a_second_of_blocks():
    assert counted(DEFAULTS.min_blocks_to_hold - 1).decision == "undecided"
    assert counted(DEFAULTS.min_blocks_to_hold).decision == "holds"


def test_a_complete_failure_is_told_at_once():
    assert counted(3, late=200, slow=(200, 200, 200)).decision == "undecided"
    assert counted(4, late=200, slow=(200, 200, 200)).decision == "fails"


def test_a_verdict_says_what_was_counted():
    verdict = counted(40, requests=100, late=1, slow=(5, 10, 20), floor=8)
    assert (verdict.blocks, verdict.requests, verdict.late, verdict.late_fraction) == (40, 4000, 40, 0.01)
    assert verdict.design_effect == verdict.design_effect_to_fail == 8
    assert verdict.decision == "undecided"


def test_nothing_counted_is_undecided():
    verdict = LateCounts(P0).verdict(ALPHA)
    assert (verdict.decision, verdict.requests, verdict.late_fraction) == ("undecided", 0, 0.0)
    assert (verdict.e_holds, verdict.e_fails) == pytest.approx((1, 1))


def test_blocks_without_requests_decide_nothing():
    assert counted(100, requests=0).decision == "undecided"


def test_bursts_over_lower_limits_delay_holding():
    calm, bursty = LateCounts(P0), LateCounts(P0)
    for block in range(40):
        calm.add(50, 0, (0, 0, 0))
        bursty.add(50, 0, (0, 0, 50 if block % 10 < 3 else 0))
    assert calm.verdict(ALPHA).decision == "holds"
    assert bursty.verdict(ALPHA).decision == "undecided"
    assert bursty.verdict(ALPHA).design_effect > bursty.verdict(ALPHA).design_effect_to_fail > 20


def test_slow_counts_must_be_given_for_every_block_alike():
    counts = LateCounts(P0)
    counts.add(100, 0, (1, 2, 3))
    with pytest.raises(ValueError, match="shorter"):
        counts.add(100, 0, (1, 2))


@pytest.mark.parametrize("p0", [0.0, 1.0, -0.1, 1.5])
def test_the_fraction_allowed_lies_between_none_and_all(p0):
    with pytest.raises(ValueError, match="within"):
        LateCounts(p0)


def test_what_an_earlier_window_showed_counts_as_if_they_were_one():
    """Two windows of 8,000 independent requests each, of which few are slow and none is late."""
    both, first = LateCounts(0.01), LateCounts(0.01)
    for _ in range(80):
        both.add(100, 0, (2, 5, 20))
        first.add(100, 0, (2, 5, 20))
    second = LateCounts(0.01, earlier=first.verdict(ALPHA).effective)
    for _ in range(80):
        both.add(100, 0, (2, 5, 20))
        second.add(100, 0, (2, 5, 20))
    pooled, whole = second.verdict(ALPHA), both.verdict(ALPHA)
    assert np.array(pooled.effective) == pytest.approx(np.array(whole.effective), rel=0.2)  # each settles by itself
    assert whole.e_holds == pytest.approx(pooled.e_holds)
    assert pooled.e_holds > first.verdict(ALPHA).e_holds
    assert (pooled.requests, pooled.blocks) == (8000, 80)


def test_what_a_window_will_show_is_told_from_what_it_showed():
    counts, longer = LateCounts(0.01), LateCounts(0.01)
    for _ in range(30):
        counts.add(100, 0, (2, 5, 20))
    for _ in range(200):
        longer.add(100, 0, (2, 5, 20))
    assert counts.e_holds_after(200) == pytest.approx(longer.verdict(ALPHA).e_holds)
    assert counts.e_holds_after(30) == pytest.approx(counts.verdict(ALPHA).e_holds)
