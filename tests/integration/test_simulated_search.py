"""A whole study as a person runs it: a simulated search, finals and a certificate, on the embedded Triton."""

from pathlib import Path

import pytest

import autotune
from autotune.search import PROPOSED, StudyResult, stored_result
from autotune.space import SearchSpace
from autotune.store import Store

MODELS = Path(__file__).parents[2] / "model_repository"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def found(results: Path) -> StudyResult:
    return autotune.tune(
        MODELS,
        "accelerator",
        p99="20ms",
        launch="embedded",
        trials=7,
        window="500ms",
        final_rounds=1,
        results=results,
    )


def test_large_batches_are_found_within_seven_restarts(found: StudyResult) -> None:
    assert found.best is not None
    assert found.best.outcome.candidate is not None
    assert int(str(found.best.outcome.candidate["max_batch_size"])) >= 32
    assert len({trial.outcome.candidate for trial in found.trials}) == len(found.trials)


def test_the_finals_show_the_gain_and_the_certificate_what_is_delivered(found: StudyResult) -> None:
    assert found.finals is not None
    assert found.finals.rounds >= 1
    assert found.gain is not None
    assert found.gain > 1.5
    assert found.measured is not None
    assert found.measured.certified
    assert found.finals.winner is not None
    assert found.measured.rate_per_s < min(found.finals.winner.values)


def test_trials_were_forecast_and_the_study_explains_itself(found: StudyResult, results: Path) -> None:
    proposed = [trial.outcome.forecast for trial in found.trials if trial.label == PROPOSED]
    assert proposed
    assert all(forecast is not None and forecast.simulated > 0 for forecast in proposed)
    store = Store.open_existing(found.storage)
    shown = stored_result(store, found.study, results)
    store.close()
    assert shown.explanation == found.explanation
    assert shown.explanation is not None
    space = SearchSpace.default()
    assert space.coarse.size <= shown.explanation.coverage.configs < space.size  # next to a few configs it is refined
    assert "max_batch_size" in {effect.parameter for effect in shown.explanation.effects}
