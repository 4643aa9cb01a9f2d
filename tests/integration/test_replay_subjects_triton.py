"""The models that are written for recorded grids, on a real Triton."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.measurement import MeasureOptions, Question
from autotune.outcome import OutcomeKind
from autotune.search import LocalExecutor, Trial, TrialWatch
from autotune.server import choose_launcher
from benchmarks.replay._subjects import SUBJECTS


@pytest.mark.parametrize("name", ["lengths", "network_threads", "two_steps"])
def test_written_models_are_served_and_measured(name: str, tmp_path: Path) -> None:
    subject = SUBJECTS[name]
    deployment = subject.deployment(choose_launcher("embedded")[0], tmp_path)
    executor = LocalExecutor(deployment, subject.objective, MeasureOptions.of(0.3), tmp_path / "logs")
    try:
        question = Question(certified=False, effort=0.14)
        outcome = executor.execute(Trial(0, None, subject.base, question), TrialWatch())
    finally:
        deployment.close()
    assert outcome.kind is OutcomeKind.FEASIBLE, outcome.message
    assert outcome.measurement is not None
    seen = [step.step.model for step in outcome.measurement.probes[-1].steps]
    assert seen == (["preprocess", "network"] if name == "two_steps" else [])
