"""An objective from the options that describe it."""

from __future__ import annotations

from typing import cast, get_args

from autotune.arrivals import POISSON, Arrivals
from autotune.errors import UsageError
from autotune.limits import MOST_RATE_PER_S
from autotune.objective._ceiling import Ceiling
from autotune.objective._objective import GoalName, LoadName, Objective
from autotune.objective._value import LATENCIES, MEMORY, RATES

_LATENCY = "p99"
"""What ``latency`` stands for."""


def parse_objective(
    goal: str,
    ceilings: tuple[Ceiling, ...],
    min_throughput: float | None = None,
    load: str = "open",
    client_s: float = 0.0,
    arrivals: Arrivals = POISSON,
    goodput_s: float | None = None,
) -> Objective:
    """The objective that ``--objective`` and its companions describe.

    Raises:
        UsageError: An unknown value or load, values that contradict each other, a rate that is not above zero, or
            flags that do not go together.
    """
    if min_throughput is not None and not 0 < min_throughput <= MOST_RATE_PER_S:
        wrong = "above what can be offered" if min_throughput > 0 else "not above zero"
        raise UsageError(f"--min-throughput: {min_throughput:g} is {wrong}; give inferences/s, such as 1000")
    if load not in get_args(LoadName):
        raise UsageError(f"--load: {load!r} is unknown; use open or closed")
    first, statistic, also = _parsed(goal)
    return Objective(
        first,
        ceilings,
        rate_per_s=min_throughput,
        optimised_statistic=statistic,
        load=cast("LoadName", load),
        client_s=client_s,
        arrivals=arrivals,
        goodput_s=goodput_s,
        also=also,
    )


def _parsed(text: str) -> tuple[GoalName, str, tuple[str, ...]]:
    """The goal, the statistic that it optimises if it is a latency, and the other values, of ``throughput,p99``.

    A rate that is searched or counted is the goal wherever it stands, else the first name: it decides how configs are
    measured.
    """
    names = [_LATENCY if name == "latency" else name for name in (each.strip() for each in text.split(","))]
    for name in names:
        if name not in (*RATES, *LATENCIES, MEMORY):
            goals = ", ".join(get_args(GoalName))
            raise UsageError(f"--objective: {name!r} is unknown; use {goals}, or several such as throughput,p99")
        if names.count(name) > 1:
            raise UsageError(f"--objective: {text!r} names {name} twice; name each value once")
    if all(rate in names for rate in RATES):
        raise UsageError("--objective: throughput searches the rate, goodput takes --rate; name one of them")
    goal = next((name for name in names if name in RATES), names[0])
    also = tuple(name for name in names if name != goal)
    if goal in LATENCIES:
        return "latency", goal, also
    return cast("GoalName", goal), _LATENCY, also
