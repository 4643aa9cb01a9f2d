"""What the summary says about why a config won."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pretended_studies import PretendedExecutor, plan, run
from reported_studies import result, trial
from rich.console import Console

from autotune.outcome import Forecast
from autotune.prediction import Agreement, Coverage, Explanation, ParameterEffect
from autotune.report import FORMATS, study_summary, verdict
from autotune.search import BASELINE, PROPOSED, StudyResult, stored_result
from autotune.store import Store, TrialRecord, database_url

EXPLANATION = Explanation(
    coverage=Coverage(1508, 9, 1490, 9),
    winner=1,
    effects=(
        ParameterEffect("dynamic_batching", True, False, predicted=8.87),
        ParameterEffect("max_batch_size", 32, 8, predicted=1.9, measured=1.84, trial=3),
        ParameterEffect("max_queue_delay_microseconds", 1000, 0, predicted=1.004),
        ParameterEffect("instance_count", 2, 1, predicted=1.01, measured=1.02, at_least=True, trial=4),
    ),
    against="the baseline",
    without_effect=("max_queue_delay_microseconds", "instance_count"),
    min_gain=0.02,
    agreement=Agreement(8, 0.93, 0.12),
)


def foreseen(number: int, label: str, service_s: float, batch: int, simulated: float | None) -> TrialRecord:
    record = trial(number, label, service_s, batch)
    forecast = None if simulated is None else Forecast(simulated, simulated, 0.1, 4.0)
    return replace(record, outcome=replace(record.outcome, forecast=forecast))


@pytest.fixture(scope="module")
def won() -> StudyResult:
    found = result(foreseen(0, BASELINE, 0.001, 4, None), foreseen(1, PROPOSED, 0.0004, 8, 2345.6))
    return replace(found, explanation=EXPLANATION)


def lines(shown: StudyResult, **changes: Any) -> list[str]:
    assert shown.explanation is not None
    return verdict(replace(shown, explanation=replace(shown.explanation, **changes)))


def printed(shown: StudyResult, width: int) -> str:
    output = StringIO()
    study_summary(shown, Console(file=output, width=width))
    return output.getvalue()


def test_the_summary_says_what_each_parameter_buys_predicted_and_measured(won: StudyResult) -> None:
    said = verdict(won)
    start = next(index for index, line in enumerate(said) if line.startswith("Effect of each parameter on"))
    assert said[start].endswith("the delivered config against the same one with the value of the baseline:")
    assert said[start + 1 : start + 4] == [
        "  dynamic instead of no dynamic batching: 8.87 times predicted",
        "  batch 32 instead of 8: 1.90 times predicted, 1.84 times measured (trial 3)",
        "  2 instances instead of 1: 1.01 times predicted, at least 1.02 times measured (trial 4)",
    ]
    assert "more than 2%): max_queue_delay_microseconds, instance_count." in said[start + 4]


def test_a_parameter_without_which_the_slo_is_violated_has_no_number(won: StudyResult) -> None:
    never = ParameterEffect("max_queue_delay_microseconds", 0, 5000, float("inf"), float("inf"), trial=2)
    said = lines(won, effects=(never,), without_effect=())
    assert (
        "  delay 0us instead of 5000us: 5000us is predicted to violate the SLO, 5000us violated the SLO (trial 2)"
        in said
    )


def test_agreement_and_coverage_are_one_line_each(won: StudyResult) -> None:
    said = verdict(won)
    ranks = "rank correlation 0.93 over 8 trials, median error 12%"
    assert f"Simulation fitted to all trials, against measurement: {ranks}." in said
    assert "Search space of 1,508 configs: 9 tried, 1,490 only simulated, 9 neither." in said


@pytest.mark.parametrize(
    ("agreement", "words"),
    [
        (Agreement(1, None, 0.12), "median error 12% over 1 trial, too few for a rank correlation."),
        (Agreement(3, None, 0.12), "median error 12% over 3 trials, too few for a rank correlation."),
        (Agreement(5, None, 0.12), "median error 12% over 5 trials."),
    ],
)
def test_too_few_trials_have_no_rank_correlation(won: StudyResult, agreement: Agreement, words: str) -> None:
    (said,) = [line for line in lines(won, agreement=agreement) if "against measurement" in line]
    assert said.endswith(words)


def test_says_why_nothing_is_predicted_or_why_predictions_are_not_to_be_relied_on(won: StudyResult) -> None:
    nothing = lines(won, effects=(), without_effect=(), agreement=None, not_simulated="too large")
    assert any(line.endswith("9 neither (too large).") for line in nothing)
    assert not any(line.startswith(("Effect", "Little effect")) or "against measurement" in line for line in nothing)
    assert "Do not rely on the predictions here: ranks disagree." in lines(won, doubt="ranks disagree")


def test_an_explanation_of_another_winner_is_not_given_for_this_one(won: StudyResult) -> None:
    """A run that was killed after it found a better config left the explanation of the run before."""
    said = lines(won, winner=0)
    assert not any(line.startswith(("Effect", "Little effect")) for line in said)
    assert any("over 8 trials" in line for line in said)


def test_without_a_winner_agreement_and_coverage_are_left() -> None:
    nothing = replace(result(trial(0, BASELINE, 0.02)), explanation=replace(EXPLANATION, winner=None))
    said = verdict(nothing)
    assert any("over 8 trials" in line for line in said)
    assert any("1,490 only simulated" in line for line in said)
    assert not any("buys" in line for line in said)


def test_a_study_without_explanation_says_none(won: StudyResult) -> None:
    said = verdict(replace(won, explanation=None))
    assert not any("Space of" in line or "Simulation" in line for line in said)


@pytest.mark.parametrize(("width", "shown"), [(80, False), (100, True), (140, True)])
def test_the_table_has_what_was_predicted_before_each_trial_where_there_is_room(
    won: StudyResult, width: int, shown: bool
) -> None:
    table = printed(won, width).partition("gain over")[0]
    assert ("predicted" in table) is shown
    assert ("2,346" in table) is shown
    assert max(map(len, table.splitlines())) <= width
    assert "…" not in table


def test_a_config_that_was_predicted_to_violate_the_slo_has_no_number_predicted(won: StudyResult) -> None:
    first, second = won.trials
    assert second.outcome.forecast is not None
    hopeless = replace(second.outcome, forecast=replace(second.outcome.forecast, keeps=False))
    table = printed(replace(won, trials=(first, replace(second, outcome=hopeless))), 140).partition("gain over")[0]
    (row,) = [line for line in table.splitlines() if line.split()[:1] in (["1"], ["*1"])]
    assert row.split()[1] == "violates"
    assert "2,346" not in table


def test_the_table_of_a_study_that_foresaw_nothing_has_no_such_column() -> None:
    assert "predicted" not in printed(result(trial(0, BASELINE, 0.001)), 140)


def test_json_has_the_explanation_and_each_trials_forecast(won: StudyResult) -> None:
    shown = json.loads(FORMATS["json"].study(won), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert shown["explanation"]["coverage"] == {"configs": 1508, "tried": 9, "simulated": 1490, "unknown": 9}
    assert shown["explanation"]["effects"][1]["measured"] == 1.84
    assert shown["explanation"]["agreement"]["rank_correlation"] == 0.93
    assert [each["forecast"] and each["forecast"]["simulated"] for each in shown["trials"]] == [None, 2345.6]


@pytest.mark.parametrize("sampler", ["tpe", "model"])
def test_a_run_is_explained_and_reads_back_so(tmp_path: Path, sampler: str) -> None:
    store = Store.open(database_url(tmp_path))
    ran = run(plan(tmp_path, batch=8, trials=5, sampler=sampler), store, PretendedExecutor())
    read = stored_result(store, "study", tmp_path)
    store.close()
    assert ran.explanation is not None
    assert read.explanation == ran.explanation
    assert ran.best is not None
    assert ran.explanation.winner == ran.best.number
    assert ran.explanation.coverage.tried == len(ran.trials)
    assert bool(ran.explanation.not_simulated) is (ran.explanation.coverage.simulated == 0)
    stored = replace(ran, uncompared=None)  # why there was no comparison is said once
    said = [line for line in verdict(stored) if not line.startswith("Stopped after")]
    assert said == verdict(read)
