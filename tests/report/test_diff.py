"""`autotune studies diff`: which study's config is faster, and what differs between the two."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from reported_studies import ENVIRONMENT, result, trial

from autotune.measurement.statistics import Ratio
from autotune.objective import Ceiling, Objective
from autotune.report import FORMATS
from autotune.report._diff import ratio_of
from autotune.search import BASELINE, PROPOSED, Finals, StudyResult


def _study(name: str, value: float, low: float, high: float) -> StudyResult:
    found = result(trial(0, BASELINE, 0.001, 4))
    finals = Finals((), None, sustained=Ratio(value, low, high, 3), rounds=3)
    return replace(found, study=name, finals=finals)


ONE = _study("one", 100, 90, 111)


def test_a_significant_difference_is_stated_with_its_interval() -> None:
    text = FORMATS["text"].diff(ONE, _study("two", 200, 180, 222))
    assert "B is 2.00 times A (95% interval 1.7" in text
    assert "A one: 100 inferences/s (95% interval 90" in text


def test_overlapping_intervals_are_no_significant_difference() -> None:
    assert "No significant difference: B is 1.05 times A" in FORMATS["text"].diff(ONE, _study("two", 105, 94, 117))


def test_single_measurements_confirm_nothing() -> None:
    plain = result(trial(0, BASELINE, 0.001))
    assert "by single measurements, which confirm nothing" in FORMATS["text"].diff(plain, ONE)


def test_other_objectives_are_not_comparable() -> None:
    other = replace(ONE, objective=Objective("throughput", (Ceiling("p99", 0.1),)))
    assert ratio_of(ONE, other) is None
    text = FORMATS["text"].diff(ONE, other)
    assert "Not comparable: the objectives differ." in text
    assert "objective: highest throughput with p99 <= 5ms in A, highest throughput with p99 <= 100ms in B" in text


def test_a_study_without_a_feasible_config_is_not_comparable() -> None:
    text = FORMATS["text"].diff(ONE, result(trial(0, PROPOSED, None)))
    assert "no config meets the SLO" in text
    assert "Not comparable: a study has no config that meets the SLO." in text
    assert "Delivered configs: none by B." in text
    assert "- max_batch_size" not in text


def test_machine_version_and_config_differences_are_listed() -> None:
    record = trial(0, BASELINE, 0.001, 4)
    outcome = replace(record.outcome, configs={"net": record.outcome.configs["net"].replace("8", "16")})
    newer = replace(ENVIRONMENT, logical_cores=64, launch={**ENVIRONMENT.launch, "triton": "2.60.0"})
    other = result(replace(record, outcome=outcome, environment=newer))
    found = json.loads(FORMATS["json"].diff(ONE, other))
    assert "launch triton: 2.51.0 in A, 2.60.0 in B" in found["differences"]
    assert any(line.startswith("logical CPU cores: ") and line.endswith("64 in B") for line in found["differences"])
    assert found["config_diff"] == ["net:", "- max_batch_size: 8", "+ max_batch_size: 16"]


@pytest.mark.parametrize("shown", FORMATS)
def test_a_study_does_not_differ_from_itself(shown: str) -> None:
    text = FORMATS[shown].diff(ONE, ONE)
    assert ("Differences: none." in text) if shown == "text" else json.loads(text)["differences"] == []
