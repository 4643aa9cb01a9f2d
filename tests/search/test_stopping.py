"""Why a study ends before its trials are done."""

from dataclasses import replace

import pytest
from stored_trials import HERE, outcome

from autotune.search._options import SearchOptions
from autotune.search._stopping import answered_by_cache
from autotune.store import TrialRecord


def trial(hits: int) -> TrialRecord:
    """A trial of 1,998 answers, so many of them from the response cache."""
    measured = outcome().measurement
    assert measured is not None
    assert measured.decided_by is not None
    decided = replace(measured.decided_by, server=replace(measured.decided_by.server, cache_hit_count=hits))
    ended = outcome(measurement=replace(measured, decided_by=decided))
    return TrialRecord(0, 0, "baseline", ended, "trial", "net", None, HERE)  # type: ignore[arg-type]


@pytest.mark.parametrize(("hits", "ends"), [(1997, True), (1900, True), (1500, False), (0, False)])
def test_a_study_ends_where_hardly_a_request_reaches_the_model(hits: int, ends: bool) -> None:
    reason = answered_by_cache([trial(0), trial(hits)], SearchOptions())
    assert ("from the response cache" in reason) is ends
    assert ("--input-data" in reason) is ends


def test_a_trial_without_a_measurement_says_nothing_about_the_cache() -> None:
    unmeasured = replace(trial(0), outcome=outcome(measurement=None))
    assert answered_by_cache([unmeasured], SearchOptions()) == ""
