"""Reasons and limits in words."""

from dataclasses import replace

import pytest
from stored_trials import outcome

from autotune.measurement import Disturbance, DisturbanceKind, Limit, LimitKind
from autotune.report._reasons import disturbance, limit, warnings
from autotune.store._codec import decode, encode


@pytest.mark.parametrize("kind", DisturbanceKind)
def test_every_disturbance_has_words(kind):
    assert disturbance(Disturbance(kind, 0.5, 0.25, 2, "detail"))


def test_figures_and_limits_are_said():
    steal = Disturbance(DisturbanceKind.STEAL, 0.04, 0.025, cores=2)
    assert disturbance(steal) == "the hypervisor took CPU away (steal): 4.0% of 2 cores, at most 2.5% is allowed"
    late = Disturbance(DisturbanceKind.CLIENT_LATE, 0.00041, 0.00025)
    assert disturbance(late) == "the client dispatched late: p99 410us, at most 250us is allowed"


@pytest.mark.parametrize("kind", LimitKind)
def test_every_limit_has_words(kind):
    assert limit(Limit(kind, instances=2, text="text"))


def test_a_client_at_fault_is_named_with_its_figure():
    busy = Disturbance(DisturbanceKind.CLIENT_BUSY, 0.85, 0.7)
    assert limit(Limit(LimitKind.CLIENT, disturbance=busy)).startswith("client: the client was busy: 85.0%")


def test_warnings_count_disturbed_windows():
    measured = outcome().measurement
    (only,) = warnings(measured)
    assert only.startswith("1 of 2 windows were disturbed: the client dispatched late")
    assert len(warnings(replace(measured, decided_by=measured.probes[2]))) == 2
    assert warnings(replace(measured, probes=measured.probes[:2])) == []


def test_reasons_of_earlier_versions_are_read_as_they_were_written():
    measured = outcome().measurement
    body = encode(measured)
    body["limited_by"], body["warnings"] = "compute: busy", ["1 window was disturbed"]
    body["probes"][2]["invalid"] = ["the client dispatched late"]
    read = decode(body)
    assert limit(read.limited_by) == "compute: busy"
    assert [disturbance(each) for each in read.probes[2].invalid] == ["the client dispatched late"]
    assert decode({**body, "limited_by": ""}).limited_by is None
