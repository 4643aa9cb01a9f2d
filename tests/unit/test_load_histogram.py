import json
import math

import numpy as np
import pytest

from autotune.load import histogram, percentile, pool


@pytest.mark.parametrize("quantile", [0.01, 0.5, 0.9, 0.99, 0.999, 1.0])
def test_percentiles_are_exact_to_three_digits(quantile):
    latency_s = np.random.default_rng(1).lognormal(-6, 1.5, 20_000)
    exact_s = np.sort(latency_s)[math.ceil(quantile * len(latency_s)) - 1]
    read_s = percentile(histogram(latency_s), quantile)
    assert exact_s <= read_s <= exact_s * 1.0011


def test_pooling_equals_the_histogram_of_all_requests():
    random = np.random.default_rng(2)
    windows = [random.exponential(0.002, size) for size in (10, 3000, 0, 500)]
    assert pool(map(histogram, windows)) == histogram(np.concatenate(windows))


def test_every_request_is_counted_wherever_it_lies():
    buckets = histogram(np.array([0.0, 1e-9, 1e-6, 0.5, 99.9, 250.0, math.inf, math.inf]))
    assert sum(count for _, count in buckets) == 8
    assert buckets[0] == (1e-6, 3)
    assert buckets[-1] == (math.inf, 3)
    assert [edge for edge, _ in buckets] == sorted(edge for edge, _ in buckets)


def test_failed_requests_weigh_on_the_percentile():
    buckets = histogram(np.array([0.001] * 98 + [math.inf] * 2))
    assert percentile(buckets, 0.98) == pytest.approx(0.001, rel=0.002)
    assert percentile(buckets, 0.99) == math.inf


def test_nothing_has_no_percentile():
    assert histogram(np.empty(0)) == ()
    assert math.isnan(percentile((), 0.99))


def test_a_histogram_survives_json():
    buckets = histogram(np.random.default_rng(3).exponential(0.01, 1000))
    assert tuple(map(tuple, json.loads(json.dumps(buckets)))) == buckets
