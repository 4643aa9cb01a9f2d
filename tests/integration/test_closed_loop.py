"""Throughput in a closed loop, on a real server."""

from pathlib import Path

import autotune
from autotune.load import ClosedLoop
from autotune.measurement import Probe
from autotune.search import StudyResult

MODELS = Path(__file__).parents[2] / "model_repository"

SPACE = """
parameters:
  max_batch_size: [8, 64]
"""


def _outstanding(probe: Probe | None) -> int:
    assert probe is not None
    assert isinstance(probe.schedule, ClosedLoop)
    return probe.schedule.concurrency


def _tuned(tmp_path: Path) -> StudyResult:
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    return autotune.tune(
        MODELS,
        "accelerator",
        p99="20ms",
        load="closed",
        search_space=space,
        launch="embedded",
        window="500ms",
        final_rounds=1,
        results=tmp_path / "results",
    )


def test_larger_batches_complete_more_with_more_requests_outstanding(tmp_path: Path) -> None:
    found = _tuned(tmp_path)
    assert found.study == "accelerator-p99-20ms-closed-loop-embedded"
    assert found.best is not None
    assert found.best.outcome.candidate is not None
    assert found.best.outcome.candidate["max_batch_size"] == 64
    assert found.gain is not None
    assert found.gain > 1.2
    assert found.measured is not None
    assert found.measured.certified
    assert found.measured.latency_s["p99"] <= 0.02
    own = next(trial.outcome.measurement for trial in found.trials if trial.number == 0)
    assert own is not None
    best = found.best.outcome.measurement
    assert best is not None
    assert _outstanding(best.decided_by) > _outstanding(own.decided_by)


def test_one_config_is_measured_by_the_same_rule(tmp_path: Path) -> None:
    measured = autotune.measure(
        MODELS, "accelerator", p99="20ms", load="closed", launch="embedded", results=tmp_path
    ).measurement
    assert measured is not None
    assert measured.certified
    outstanding = _outstanding(measured.decided_by)
    # Little's law: what is outstanding is what is completed times how long it takes.
    assert 0.9 * outstanding < measured.rate_per_s * measured.latency_s["avg"] < 1.05 * outstanding
    assert measured.latency_s["p99"] <= 0.02
