"""The rate that is found is the one at which requests of that spacing meet the ceiling."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from simulated_server import SimulatedServer

from autotune.arrivals import POISSON, Arrivals, Constant, Gamma, Recorded
from autotune.load import PoissonRate, SpacedRate, open_loop
from autotune.measurement import CERTIFIED_RATE, LOCATED_RATE, MeasureOptions, Meter
from autotune.objective import Ceiling, Objective

SERVICE_S = 0.0002
CEILING = Ceiling("p99", 0.004)
WAVES = Recorded.of("waves", np.cumsum(np.tile(np.repeat([2.0, 1.0, 0.5, 1.0], 200), 20)))
KINDS = [Constant(), POISSON, Gamma(2.0), Gamma(3.0), WAVES]


@cache
def truth_per_s(kind: Arrivals) -> float:
    low, high = 0.0, 1 / SERVICE_S
    for _ in range(9):
        rate = (low + high) / 2
        result = SimulatedServer(SERVICE_S).run(open_loop(kind, rate, 99), 30.0, 1e9)
        low, high = (rate, high) if CEILING.met_by(result.percentile_s(0.99)) else (low, rate)
    return low


def measured(kind: Arrivals, question=LOCATED_RATE):
    server = SimulatedServer(SERVICE_S)
    objective = Objective("throughput", (CEILING,), arrivals=kind)
    found = Meter(server, server, objective, MeasureOptions(), clock=lambda: 0.0).measure(question)
    return found, server


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_rate_is_near_the_truth(kind: Arrivals) -> None:
    found, _ = measured(kind)
    assert found.feasible
    assert found.rate_per_s == pytest.approx(truth_per_s(kind), rel=0.12)


def test_bursts_sustain_less() -> None:
    assert truth_per_s(Constant()) > truth_per_s(POISSON) > truth_per_s(Gamma(2.0)) > truth_per_s(Gamma(3.0))


@pytest.mark.parametrize("kind", [Gamma(2.0), Gamma(3.0)], ids=str)
def test_certified_rate_is_below_the_truth(kind: Arrivals) -> None:
    found, server = measured(kind, CERTIFIED_RATE)
    assert found.confidence >= 0.95
    assert found.rate_per_s < truth_per_s(kind)
    open_windows = [each for each in server.runs if isinstance(each, PoissonRate | SpacedRate)]
    assert {type(each) for each in open_windows} == {SpacedRate}
