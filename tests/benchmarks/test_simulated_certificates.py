"""The benchmark that puts certificates beside the truth knows the truth."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.false_certificates import drawn_config
from benchmarks.simulated_certificates import certified, late, simulated, sustained_per_s


@pytest.mark.parametrize("seed", [3, 5])
def test_above_the_sustained_rate_the_ceiling_is_violated(seed: int) -> None:
    config, ceiling = drawn_config(np.random.default_rng(seed), 16.0)
    batching, service = simulated(config)
    sustained = sustained_per_s(batching, service, ceiling)
    allowed = 1 - ceiling.quantile
    assert late(batching, service, ceiling, 0.9 * sustained, 200.0) < allowed
    assert late(batching, service, ceiling, 1.1 * sustained, 200.0) > allowed


def test_a_certificate_is_put_beside_the_truth() -> None:
    found = certified(5, 16.0)
    assert found is not None
    assert found.proven
    assert 0.6 < found.of_truth < 1
    assert found.late < 1
    assert found.located == pytest.approx(1, abs=0.15)
