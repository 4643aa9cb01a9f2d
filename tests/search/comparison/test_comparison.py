"""Configs compared in turns on simulated servers: who is fastest, who ties, who is out, and the gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated_deployment import Machine, SimulatedDeployment

from autotune.environment import Environment
from autotune.load import ClosedLoop, PoissonRate, Schedule
from autotune.measurement import MeasureOptions
from autotune.objective import Ceiling, Objective
from autotune.outcome import TrialOutcome
from autotune.repository import ConfigSet, ModelConfig
from autotune.search import BASELINE, SilentObserver
from autotune.search.comparison import (
    OURS,
    ComparisonResult,
    Contender,
    Gate,
    Measurer,
    Metric,
    Out,
    Sample,
    gate,
    measure_in_turns,
    rank,
    speedup,
)

HERE = Environment("cpu", 1, 2, 2.0, 1 << 30, (), "os", "kernel", "3.11")
AT_8 = Metric("concurrency 8")
OPTIONS = MeasureOptions.of(0.2)


def _names(contenders: tuple[Contender, ...]) -> list[str]:
    return [each.name for each in contenders]


def _result(metric: Metric = AT_8, **rounds: list[float]) -> ComparisonResult:
    contenders = tuple(
        Contender(name, {}, {number: Sample(value) for number, value in enumerate(values, 1)})
        for name, values in rounds.items()
    )
    return ComparisonResult("net", metric, contenders, HERE)


def _compared(
    deployments: dict[str, SimulatedDeployment],
    *,
    ceilings: tuple[Ceiling, ...] = (),
    load: Schedule | None = None,
    statistic: str = "",
    rounds: int = 3,
    saved: list[tuple[str, int]] | None = None,
) -> ComparisonResult:
    metric = Metric(str(load), ceilings, statistic)
    served = {name: (each, ConfigSet.of(ModelConfig.empty("net"))) for name, each in deployments.items()}

    def save(name: str, number: int, outcome: TrialOutcome, probes: object) -> None:
        if saved is not None:
            saved.append((name, number))

    objective = None if load else Objective("throughput", ceilings)
    loads = (load,) if load else ()
    measurer = Measurer(served, metric, objective, loads, OPTIONS, 0.3, Path("logs"), SilentObserver(), save)  # type: ignore[arg-type]
    *_, contenders = measure_in_turns({name: {} for name in deployments}, rounds, measurer)
    return ComparisonResult("net", metric, contenders, HERE)


def test_the_faster_config_wins_at_a_given_concurrency() -> None:
    machine = Machine(start=0.02)
    result = _compared(
        {"slow": SimulatedDeployment(0.002, machine), "fast": SimulatedDeployment(0.001, machine)}, load=ClosedLoop(8)
    )
    ranking = rank(result)
    assert ranking.fastest is not None
    assert ranking.fastest.name == "fast"
    assert _names(ranking.slower) == ["slow"]
    ratio = speedup(result.contenders[1], result.contenders[0], result)
    assert ratio is not None
    assert ratio.low < 2 < ratio.high


def test_the_same_config_twice_is_a_tie() -> None:
    machine = Machine(start=0.05)
    result = _compared(
        {"one": SimulatedDeployment(0.001, machine), "two": SimulatedDeployment(0.001, machine)}, load=ClosedLoop(8)
    )
    assert len(rank(result).ties) == 1


def test_without_a_load_the_highest_rates_under_the_ceilings_are_compared() -> None:
    machine = Machine(start=0.01)
    deployments = {"slow": SimulatedDeployment(0.002, machine), "fast": SimulatedDeployment(0.001, machine)}
    result = _compared(deployments, ceilings=(Ceiling("p99", 0.02),))
    fast = rank(result).fastest
    assert fast is not None
    assert fast.name == "fast"
    assert 600 < fast.mean < 1000  # an M/D/1 queue at 1000/s sustains less than that
    assert deployments["fast"].starts == 3


def test_at_a_rate_the_lower_latency_is_faster() -> None:
    deployments = {"slow": SimulatedDeployment(0.002), "fast": SimulatedDeployment(0.001)}
    result = _compared(deployments, load=PoissonRate(100, seed=0), statistic="p99")
    slow, fast = result.contenders
    assert fast.mean < slow.mean
    ratio = speedup(fast, slow, result)
    assert ratio is not None
    assert ratio.value > 1
    assert rank(result).fastest is fast


def test_a_config_that_violates_the_slo_or_does_not_load_is_out_and_not_served_again() -> None:
    deployments = {
        "fast": SimulatedDeployment(0.0005),
        "slow": SimulatedDeployment(0.005),
        "broken": SimulatedDeployment(0.001, loads=False),
    }
    result = _compared(deployments, load=ClosedLoop(8), ceilings=(Ceiling("p99", 0.02),))
    ranking = rank(result)
    assert ranking.fastest is result.contenders[0]
    assert [each.out.out for each in ranking.out if each.out] == [Out.VIOLATED, Out.FAILED]
    assert ranking.out[1].out is not None
    assert "model.py is missing" in ranking.out[1].out.message
    assert (deployments["slow"].starts, deployments["broken"].starts) == (1, 1)


def test_no_config_is_ranked_if_all_violate_the_slo() -> None:
    result = _compared({"one": SimulatedDeployment(0.01)}, ceilings=(Ceiling("p99", 0.001),))
    assert rank(result).fastest is None


def test_each_round_begins_with_another_config_and_is_stored() -> None:
    saved: list[tuple[str, int]] = []
    deployments = {name: SimulatedDeployment(0.001) for name in ("a", "b")}
    _compared(deployments, load=ClosedLoop(2), rounds=2, saved=saved)
    assert saved == [("a", 1), ("b", 1), ("b", 2), ("a", 2)]


def test_a_measurement_that_says_nothing_is_repeated_once_and_leaves_its_round_out() -> None:
    calls: list[tuple[str, int]] = []

    def measure(name: str, number: int) -> Sample:
        calls.append((name, number))
        return Sample(None, message="disturbed") if name == "a" and number == 2 else Sample(1.0)

    *_, (a, b) = measure_in_turns({"a": {}, "b": {}}, 2, measure)
    assert calls == [("a", 1), ("b", 1), ("b", 2), ("a", 2), ("a", 2)]
    assert (list(a.rounds), list(b.rounds)) == ([1], [1, 2])
    assert a.compared


def test_configs_with_a_single_round_in_common_are_undecided_and_no_tie() -> None:
    ranking = rank(_result(a=[100, 101], b=[50]))
    assert (_names(ranking.undecided), ranking.ties, ranking.slower) == (["b"], (), ())


def test_what_was_measured_before_an_interruption_is_kept() -> None:
    def measure(name: str, number: int) -> Sample:
        if number == 2:
            raise KeyboardInterrupt
        return Sample(1.0)

    turns = measure_in_turns({"a": {}, "b": {}}, 3, measure)
    next(turns)
    assert [len(each.rounds) for each in next(turns)] == [1, 1]
    with pytest.raises(KeyboardInterrupt):
        next(turns)


def test_a_drift_of_the_machine_that_all_share_widens_no_interval() -> None:
    steady = _result(a=[100, 101, 99, 100], b=[80, 81, 79, 80])
    drifting = _result(a=[100, 202, 49.5, 150], b=[80, 162, 39.5, 120])
    for result in (steady, drifting):
        ratio = speedup(*result.contenders, result)
        assert ratio is not None
        assert 1.2 < ratio.low < 1.25 < ratio.high < 1.3


def test_the_fastest_of_many_equal_configs_is_seldom_called_faster() -> None:
    rng = np.random.default_rng(0)
    false = 0
    for _ in range(400):
        rounds = {name: list(np.exp(rng.normal(0, 0.1, 5))) for name in "abcde"}
        false += bool(rank(_result(**rounds)).slower)
    assert false / 400 <= 0.05


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        ([100, 101, 99, 100], Gate.PASSED),
        ([97, 98, 96, 97], Gate.PASSED),  # slower, but by less than 5%
        ([60, 130, 70, 110], Gate.PASSED),  # may be slower, but not significantly
        ([80, 81, 79, 80], Gate.SLOWER),
        ([120, 121, 119, 120], Gate.PASSED),
        ([80], Gate.UNDECIDED),
        ([], Gate.UNDECIDED),
    ],
)
def test_the_gate_fails_only_what_is_significantly_slower(ours: list[float], expected: Gate) -> None:
    result = _result(**{OURS: ours, BASELINE: [100, 101, 99, 100]})
    assert gate(result, OURS, BASELINE, 0.05) is expected


def test_the_gate_knows_that_a_lower_latency_is_faster() -> None:
    metric = replace(AT_8, statistic="p99")
    result = _result(metric, **{OURS: [0.2, 0.21, 0.2], BASELINE: [0.1, 0.105, 0.1]})
    assert gate(result, OURS, BASELINE, 0.05) is Gate.SLOWER
    assert gate(result, BASELINE, OURS, 0.05) is Gate.PASSED


def test_a_config_that_violates_the_slo_does_not_pass() -> None:
    result = _result(**{OURS: [], BASELINE: [1.0, 1.0]})
    violating = replace(result.contenders[0], samples={1: Sample(None, None, Out.VIOLATED, "violates the SLO")})
    result = replace(result, contenders=(violating, result.contenders[1]))
    assert gate(result, OURS, BASELINE, 0.05) is Gate.VIOLATED
