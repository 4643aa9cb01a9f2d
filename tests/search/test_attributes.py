"""The user attributes of a trial in Optuna's tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from documented_studies import failed, outcome

from autotune.measurement import Usage
from autotune.outcome import TrialOutcome
from autotune.search import user_attributes


def using(memory_bytes: int | None, gpu_memory_bytes: int | None) -> TrialOutcome:
    trial = outcome(500.0)
    assert trial.measurement is not None
    assert trial.measurement.decided_by is not None
    usage = Usage(0.1, memory_bytes=memory_bytes, gpu_memory_bytes=gpu_memory_bytes)
    decided = replace(trial.measurement.decided_by, usage=usage)
    return replace(trial, measurement=replace(trial.measurement, decided_by=decided))


def test_they_have_the_latency_the_mean_batch_and_the_share_of_the_queue() -> None:
    found = user_attributes("proposed", outcome(500.0, batch=4))
    assert (found["label"], found["outcome"]) == ("proposed", "feasible")
    assert found["p99 (ms)"] == pytest.approx(4.5)
    assert found["p50 (ms)"] == pytest.approx(1.5)
    assert 1 < float(found["mean batch"] or 0) <= 4
    assert 0 < float(found["queue share (%)"] or 0) < 100


def test_memory_is_there_where_it_is_known() -> None:
    assert "server memory (MB)" not in user_attributes("proposed", using(None, None))
    found = user_attributes("proposed", using(250_000_000, 1_500_000_000))
    assert (found["server memory (MB)"], found["GPU memory (MB)"]) == (250.0, 1500.0)


def test_a_trial_that_failed_has_its_message_only() -> None:
    assert user_attributes("proposed", failed("x" * 3000)) == {
        "label": "proposed",
        "outcome": "failed to load",
        "message": "x" * 500,
    }
