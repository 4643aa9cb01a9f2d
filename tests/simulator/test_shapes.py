"""Requests of different shapes: the simulator keeps them apart as Triton's batcher does."""

import numpy as np
import pytest

from autotune.repository import ModelConfig, RequestShapes
from autotune.simulator import Batching, ServiceTimes, simulate

_SIZES = np.arange(1, 17)
_SERVICE = ServiceTimes(0.001 + 0.0001 * _SIZES, np.zeros(16), np.zeros(1), np.ones(1))
_CONFIG = """
max_batch_size: 8
dynamic_batching {{ }}
input {{ name: "x" data_type: TYPE_FP32 dims: [ -1 ] {ragged} }}
"""


def _simulated(shapes, arrivals_s, **batching):
    options = {"dynamic": True, "compares_shapes": True} | batching
    return simulate(Batching(8, shapes=shapes, **options), _SERVICE, arrivals_s)


@pytest.mark.parametrize(("shapes", "size"), [((0, 1), 1), ((0, 0, 0, 1, 1, 1), 3), ((0, 1, 2, 3), 1), ((), 8)])
def test_a_batch_ends_at_the_first_request_of_another_shape(shapes, size):
    waiting = _simulated(shapes, np.zeros(4800))
    assert waiting.mean_batch == pytest.approx(size, rel=0.01)
    assert waiting.completed_per_s == pytest.approx(size / (0.001 + 0.0001 * size), rel=0.01)


@pytest.mark.parametrize("delay_s", [0.0, 0.002, 0.02])
@pytest.mark.parametrize("preferred", [(), (2,), (4, 8)])
@pytest.mark.parametrize("instances", [1, 3])
@pytest.mark.parametrize("rate_per_s", [20.0, 600.0, 5000.0])
def test_every_request_is_served_whatever_the_batcher_waits_for(delay_s, preferred, instances, rate_per_s):
    rng = np.random.default_rng(5)
    arrivals_s = rng.exponential(1 / rate_per_s, 3000).cumsum()
    shapes = tuple(rng.integers(3, size=50).tolist())
    settings = {"max_queue_delay_s": delay_s, "preferred_sizes": preferred, "instances": instances}
    mixed = _simulated(shapes, arrivals_s, **settings)
    assert np.isfinite(mixed.latency_s).all()
    assert sum(size * count for size, count in mixed.batch_executions.items()) == 3000
    alike = _simulated((), arrivals_s, **settings)
    assert mixed.mean_batch <= alike.mean_batch * 1.001


def test_a_lone_request_waits_for_the_delay_but_one_of_another_shape_ends_it():
    alone = _simulated((0, 1), [0.0], max_queue_delay_s=0.1)
    assert alone.queue_s[0] == pytest.approx(0.1)
    followed = _simulated((0, 1), [0.0, 0.02], max_queue_delay_s=0.1)
    assert followed.queue_s.tolist() == pytest.approx([0.02, 0.1])


def test_shapes_matter_only_to_configs_that_compare_them():
    requests = RequestShapes([{"x": (1, 3)}, {"x": (1, 4)}, {"x": (1, 3)}])
    plain, ragged = (
        Batching.of(ModelConfig.parse(_CONFIG.format(ragged=text), "config.pbtxt"), requests)
        for text in ("", "allow_ragged_batch: true")
    )
    assert plain is not None
    assert plain.shapes == (0, 1, 0)
    assert ragged is not None
    assert ragged.shapes == ()
