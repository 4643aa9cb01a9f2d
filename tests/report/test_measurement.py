"""The result in one sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulated_server import SimulatedServer

from autotune.measurement import Measurement, Meter, Question
from autotune.objective import Ceiling, Objective
from autotune.report import claim

OBJECTIVE = Objective("throughput", (Ceiling("p99", 0.01),))


@pytest.fixture(scope="module")
def certified() -> Measurement:
    server = SimulatedServer()
    return Meter(server, server, OBJECTIVE).measure()


def test_a_certificate_is_stated_with_its_confidence_rounded_down(certified: Measurement) -> None:
    assert ": at most 1% of requests over 10ms at 99% confidence (" in claim(replace(certified, confidence=0.9997))


def test_a_certificate_that_proves_next_to_nothing_says_so(certified: Measurement) -> None:
    text = claim(replace(certified, confidence=0.0, certificate_missing_s=42.0))
    assert (
        "in this window, but not certified: about 42s more of this load would be enough; see --certify-time (" in text
    )
    assert "confidence" not in text
    unknown = replace(certified, confidence=0.004, certificate_missing_s=None)
    assert "the windows were too short" in claim(unknown)


def test_a_located_rate_claims_no_confidence() -> None:
    server = SimulatedServer()
    text = claim(Meter(server, server, OBJECTIVE).measure(Question(certified=False)))
    assert "estimated, not certified, for at most 1% of requests over 10ms" in text
    assert "confidence" not in text


def test_a_closed_loop_says_how_many_requests_it_keeps_outstanding() -> None:
    server = SimulatedServer()
    closed = replace(OBJECTIVE, load="closed")
    alone = claim(Meter(server, server, closed).measure(Question(certified=False, concurrency=4)))  # no more with more
    assert " inferences/s with 1 request outstanding: estimated, not certified, for at most 1% of requests" in alone
    assert "(the window: " in alone
    text = claim(Meter(server, server, closed).measure(Question(located=False, concurrency=4)))
    assert " inferences/s with 4 requests outstanding: at most 1% of requests over 10ms at 9" in text
    assert "a ceiling was violated at" not in text


def test_a_config_that_was_beaten_names_the_rate_it_did_not_carry() -> None:
    server = SimulatedServer()
    text = claim(Meter(server, server, OBJECTIVE).measure(Question(beat_per_s=950)))
    assert text.startswith("Pruned: does not sustain 950 inferences/s within the SLO")


def test_a_measurement_of_a_version_that_kept_no_evidence_is_told_by_its_rate(certified: Measurement) -> None:
    assert certified.decided_by is not None
    old = replace(certified, decided_by=replace(certified.decided_by, evidence=()))
    text = claim(old)
    assert text.startswith(f"{certified.rate_per_s:,.0f} inferences/s: sustained")
    assert "at it between" not in text
