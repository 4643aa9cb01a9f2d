from dataclasses import replace

import numpy as np
import pytest

from autotune.measurement._guards import GuardInputs, Guards, attempted_requests, disturbances
from autotune.measurement._reasons import Disturbance, DisturbanceKind

_QUIET = GuardInputs(
    seconds=1.0,
    cores=2,
    scheduled=1000,
    attempted=1000,
    lateness_p99_s=0.0001,
    client_cpu=0.3,
    others_cpu_s=0.1,
    steal_s=0.01,
)


def test_undisturbed_probe_is_valid():
    assert disturbances(_QUIET) == ()


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"lateness_p99_s": 0.00041}, Disturbance(DisturbanceKind.CLIENT_LATE, 0.00041, 0.00025)),
        ({"client_cpu": 0.83}, Disturbance(DisturbanceKind.CLIENT_BUSY, 0.83, 0.7)),
        ({"attempted": 950}, Disturbance(DisturbanceKind.NOT_ALL_SENT, 0.95, 0.99)),
        ({"others_cpu_s": 0.5}, Disturbance(DisturbanceKind.OTHER_PROCESSES, 0.25, 0.1, cores=2)),
        ({"steal_s": 0.08}, Disturbance(DisturbanceKind.STEAL, 0.04, 0.025, cores=2)),
        ({"gpu_slowdowns": ("thermal",)}, Disturbance(DisturbanceKind.GPU_SLOWED, 1, 0, detail="thermal")),
    ],
)
def test_a_disturbance_has_its_figure_and_its_limit(change, found):
    assert disturbances(replace(_QUIET, **change)) == (found,)


@pytest.mark.parametrize(
    "change",
    [
        {"lateness_p99_s": 0.00025},
        {"client_cpu": 0.70},
        {"attempted": 990},
        {"others_cpu_s": 0.2},
        {"steal_s": 0.05},
        {"scheduled": 0, "attempted": 0},
    ],
)
def test_what_is_just_allowed_is_valid(change):
    assert disturbances(replace(_QUIET, **change)) == ()


def test_every_disturbance_is_told():
    inputs = replace(_QUIET, lateness_p99_s=0.001, client_cpu=0.9, attempted=0, others_cpu_s=1.0, steal_s=1.0)
    assert len(disturbances(inputs)) == 5


def test_what_is_unknown_is_not_judged():
    assert disturbances(replace(_QUIET, others_cpu_s=None, steal_s=None)) == ()


def test_ticks_do_not_invalidate_a_short_window():
    short = replace(_QUIET, seconds=0.1, others_cpu_s=0.04, steal_s=0.05)
    assert disturbances(short) == ()
    (others,) = disturbances(replace(short, others_cpu_s=0.06))
    assert (others.kind, others.value, others.limit) == (DisturbanceKind.OTHER_PROCESSES, pytest.approx(0.3), 0.25)


def test_one_busy_process_of_many_cores_is_allowed():
    busy = {"others_cpu_s": 1.0}
    assert disturbances(replace(_QUIET, cores=32, **busy)) == ()
    assert len(disturbances(replace(_QUIET, cores=1, **busy))) == 1


def test_limits_can_be_changed():
    strict = Guards(lateness_p99_s=1e-5, client_cpu=0.1, attempted=1.0, others_cpu=0.01, steal=0.0, least_cpu_s=0.0)
    assert len(disturbances(replace(_QUIET, attempted=999), strict)) == 5
    lax = Guards(others_cpu=1.0, steal=1.0)
    assert disturbances(replace(_QUIET, others_cpu_s=1.9, steal_s=1.9), lax) == ()


def test_lateness_that_is_little_of_the_ceiling_is_allowed():
    late = replace(_QUIET, lateness_p99_s=0.0009)
    assert disturbances(replace(late, strictest_limit_s=0.020)) == ()
    (reason,) = disturbances(replace(late, strictest_limit_s=0.010))
    assert reason.limit == 0.0005
    (reason,) = disturbances(replace(late, strictest_limit_s=0.001))
    assert reason.limit == 0.00025


def test_attempted_are_those_sent_within_the_window():
    scheduled = np.array([0.0, 0.5, 0.9, 0.99, 0.9999])
    lateness = np.array([0.0, 0.3, 0.2, 0.0, 0.0002])
    assert attempted_requests(scheduled, lateness, 1.0) == 3
    # The last one is sent after the end, but no later than any request may be.
    assert attempted_requests(scheduled, lateness, 1.0, grace_s=0.00025) == 4
    assert attempted_requests(np.empty(0), np.empty(0), 1.0) == 0
