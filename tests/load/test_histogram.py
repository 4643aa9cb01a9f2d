import json
import math

import numpy as np

from autotune.load import histogram


def test_latencies_are_exact_to_three_digits():
    for latency_s in np.random.default_rng(1).lognormal(-6, 1.5, 500):
        ((edge_s, count),) = histogram(np.array([latency_s]))
        assert latency_s <= edge_s <= latency_s * 1.0011
        assert count == 1


def test_nothing_fills_no_bucket():
    assert histogram(np.empty(0)) == ()


def test_every_request_is_counted_wherever_it_lies():
    buckets = histogram(np.array([0.0, 1e-9, 1e-6, 0.5, 99.9, 250.0, math.inf, math.inf]))
    assert sum(count for _, count in buckets) == 8
    assert buckets[0] == (1e-6, 3)
    assert buckets[-1] == (math.inf, 3)
    assert [edge for edge, _ in buckets] == sorted(edge for edge, _ in buckets)


def test_a_histogram_survives_json():
    buckets = histogram(np.random.default_rng(3).exponential(0.01, 1000))
    assert tuple(map(tuple, json.loads(json.dumps(buckets)))) == buckets
