"""Confidence bounds of percentiles and means of independent latencies."""

import math

import numpy as np
import pytest

from autotune.measurement.statistics import mean_bounds, percentile_bounds


@pytest.mark.parametrize(("quantile", "size"), [(0.99, 1000), (0.95, 200), (0.9, 100), (0.5, 41)])
def test_each_bound_of_a_percentile_covers_it_as_often_as_promised(quantile, size):
    random = np.random.default_rng(1)
    runs = 1000
    bounds = [percentile_bounds(random.exponential(1.0, size), quantile, 0.95) for _ in range(runs)]
    truth = -math.log(1 - quantile)
    least = 0.95 * runs - 3.3 * math.sqrt(runs * 0.95 * 0.05)
    assert sum(upper >= truth for _, upper in bounds) >= least
    assert sum(lower <= truth for lower, _ in bounds) >= least
    assert np.median([upper for _, upper in bounds]) < 2 * truth


@pytest.mark.parametrize(
    ("requests", "confidence", "bounded"),
    [(298, 0.95, False), (299, 0.95, True), (458, 0.99, False), (459, 0.99, True)],
)
def test_the_upper_bound_of_p99_needs_as_many_requests_as_the_fixed_sample_test(requests, confidence, bounded):
    latency_s = np.linspace(0.001, 0.002, requests)
    _, upper = percentile_bounds(latency_s, 0.99, confidence)
    assert upper == (latency_s[-1] if bounded else math.inf)


def test_a_design_effect_takes_that_many_times_the_requests():
    latency_s = np.linspace(0.001, 0.002, 2989)
    assert percentile_bounds(latency_s, 0.99, 0.95, design_effect=10)[1] == math.inf
    assert percentile_bounds(np.append(latency_s, 0.002), 0.99, 0.95, design_effect=10)[1] == 0.002


def test_a_design_effect_widens_both_bounds():
    latency_s = np.random.default_rng(2).exponential(1.0, 5000)
    lower, upper = percentile_bounds(latency_s, 0.9, 0.95)
    wider_lower, wider_upper = percentile_bounds(latency_s, 0.9, 0.95, design_effect=20)
    assert wider_lower < lower < np.quantile(latency_s, 0.9) < upper < wider_upper


def test_ranks_are_those_of_the_binomial():
    # 100 requests, median, 95%: P[Bin(100, 1/2) <= 57] = 0.933, P[<= 58] = 0.956, and mirrored below.
    assert percentile_bounds(np.arange(1.0, 101.0), 0.5, 0.95) == (42.0, 59.0)


def test_order_of_the_latencies_does_not_matter():
    latency_s = np.random.default_rng(3).exponential(1.0, 700)
    assert percentile_bounds(latency_s, 0.95, 0.9) == percentile_bounds(np.sort(latency_s), 0.95, 0.9)


def test_failed_requests_weigh_on_the_upper_bound():
    latency_s = np.full(1000, 0.001)
    latency_s[:8] = math.inf
    assert percentile_bounds(latency_s, 0.99, 0.95) == (0.001, math.inf)
    assert percentile_bounds(latency_s, 0.95, 0.95) == (0.001, 0.001)


def test_too_few_requests_bound_nothing():
    assert percentile_bounds([], 0.99, 0.95) == (0.0, math.inf)
    assert percentile_bounds([0.001], 0.5, 0.95) == (0.0, math.inf)


def test_large_samples_are_bounded_tightly():
    latency_s = np.random.default_rng(4).exponential(1.0, 2_000_000)
    lower, upper = percentile_bounds(latency_s, 0.99, 0.95)
    assert lower < -math.log(0.01) < upper
    assert upper / lower < 1.01


def test_the_bounds_of_a_mean_cover_it_as_often_as_promised():
    random = np.random.default_rng(6)
    runs = 1000
    bounds = [mean_bounds(random.exponential(1.0, 2000), 0.95) for _ in range(runs)]
    least = 0.95 * runs - 3.3 * math.sqrt(runs * 0.95 * 0.05)
    assert sum(upper >= 1.0 for _, upper in bounds) >= least
    assert sum(lower <= 1.0 for lower, _ in bounds) >= least
    assert np.median([upper for _, upper in bounds]) < 1.1


def test_a_correlated_mean_is_bounded_more_widely():
    noise = np.random.default_rng(7).normal(0.0, 1.0, 4000)
    independent = 10 + noise
    correlated = 10 + np.convolve(noise, np.ones(100) / 10, mode="same")  # the same variance, 100 alike at a time
    lower, upper = mean_bounds(independent, 0.95)
    wide_lower, wide_upper = mean_bounds(correlated, 0.95)
    assert wide_upper - wide_lower > 4 * (upper - lower)


def test_a_failed_request_makes_the_mean_infinite():
    assert mean_bounds([0.001] * 100 + [math.inf], 0.95) == (math.inf, math.inf)


def test_few_requests_bound_no_mean():
    assert mean_bounds([], 0.95) == (0.0, math.inf)
    assert mean_bounds([0.001] * 7, 0.95) == (0.0, math.inf)
    assert mean_bounds([0.001] * 8, 0.95) == pytest.approx((0.001, 0.001))


def test_a_mean_latency_is_not_bounded_below_zero():
    lower, _ = mean_bounds([0.0] * 50 + [1.0], 0.95)
    assert lower == 0
