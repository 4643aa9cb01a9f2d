"""What a person and a script read of a study."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from reported_studies import CONFIG, OBJECTIVE, measured, result, trial
from rich.console import Console
from simulated_server import SimulatedServer

from autotune.errors import UsageError
from autotune.load import PoissonRate
from autotune.measurement import MeasureOptions, Meter, SweepResult
from autotune.measurement.statistics import Ratio
from autotune.objective import Objective
from autotune.outcome import OutcomeKind
from autotune.report import FORMATS, export_trial, latency, rate, study_summary, sweep_table, verdict
from autotune.report._export import exported_texts
from autotune.report._format import describe_candidate, phrase
from autotune.report._values import memory
from autotune.repository import ModelConfig
from autotune.search import BASELINE, PROPOSED, Finalist, Finals, SearchOptions, StudyResult
from autotune.search._result import summarise
from autotune.search.finals import Comparison, Uncompared, decide, level
from autotune.space import Candidate
from autotune.store import TrialRecord


@pytest.fixture(scope="module")
def won() -> StudyResult:
    return result(
        trial(0, BASELINE, 0.001), trial(1, PROPOSED, None, 4), trial(2, PROPOSED, 0.0004, 8), trial(3, PROPOSED, 0.009)
    )


def printed(shown: StudyResult, width: int = 140) -> str:
    console = Console(file=StringIO(), width=width)
    study_summary(shown, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_summary_says_what_won_and_by_how_much(won: StudyResult) -> None:
    text = printed(won)
    assert "Delivered: trial 2 (proposed), batch 8, 2 instances" in text
    assert "No confirmed gain over the baseline (" in text
    assert "failed to load: no such backend" in text
    assert "p99 <= 5ms missed by" in text


def test_the_verdict_is_the_same_at_any_width_and_short(won: StudyResult) -> None:
    said = [printed(won, width).partition("gain over")[2] for width in (60, 100, 160)]
    assert said[0] == said[1] == said[2]
    lines = said[0].splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_tables_keep_every_number_on_a_narrow_terminal(won: StudyResult, width: int) -> None:
    table = printed(won, width).partition("gain over")[0]
    assert max(map(len, table.splitlines())) <= width
    assert "…" not in table
    assert re.search(r"^ +\*2 +1,\d{3} +\d\.\d+ms .*meets the SLO +batch 8", table, re.MULTILINE)
    assert len(table.splitlines()) < 18  # folded to words, not to letters
    assert ("mean batch" in table) == (width >= 100)


@pytest.mark.parametrize(("width", "tables"), [(80, 3), (160, 1)])
def test_a_sweep_keeps_every_number_on_a_narrow_terminal(width: int, tables: int) -> None:
    probe = measured(0.0004).probes[-1]
    probes = tuple(replace(probe, schedule=PoissonRate(rate_per_s, seed=1)) for rate_per_s in (1000, 12_000))
    shown = SweepResult("net", "http", OBJECTIVE.ceilings, probes, {}, CONFIG, 0.1)
    console = Console(file=StringIO(), width=width)
    sweep_table(shown, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert text.count("rate 12,000/s") == tables
    assert len(re.findall(r"^load +inferences/s", text, re.MULTILINE)) == 1
    assert len(re.findall(r"\bmet\b", text)) == 2


def test_says_when_nothing_is_better_than_the_baseline() -> None:
    text = printed(result(trial(0, BASELINE, 0.0004), trial(1, PROPOSED, 0.001, 8)))
    assert "No gain over the baseline" in text
    assert "Delivered: trial 0 (baseline)" in text


def test_says_how_close_the_nearest_came_where_nothing_is_feasible() -> None:
    text = printed(result(trial(0, BASELINE, 0.02), trial(1, PROPOSED, 0.006, 8)))
    assert "No config meets the SLO (highest throughput with p99 <= 5ms)" in text
    assert "Nearest: trial 1 (proposed): p99 <= 5ms missed by 20%" in text


def test_says_when_nothing_was_measured_at_all() -> None:
    assert "Nothing was measured" in printed(result(trial(0, BASELINE, None)))


def test_json_is_plain_and_complete(won: StudyResult) -> None:
    shown = json.loads(FORMATS["json"].study(won), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert shown["best"]["number"] == 2
    assert shown["gain"] is None
    assert shown["estimated_gain"] == won.estimated_gain
    assert shown["objective"]["ceilings"] == [{"statistic": "p99", "limit_s": 0.005, "model": ""}]
    assert [each["outcome"] for each in shown["trials"]] == ["feasible", "failed to load", "feasible", "infeasible"]
    assert shown["trials"][2]["parameters"] == {"max_batch_size": 8, "instance_count": 2}
    assert shown["trials"][2]["probes"][-1]["purpose"] == "certify"


def test_an_exported_config_says_how_it_was_found_and_parses(won: StudyResult, tmp_path: Path) -> None:
    text, path = export_trial(won, None, None, tmp_path)
    assert path == tmp_path / "best" / "net" / "config.pbtxt"
    assert path.read_text() == text
    header = [line for line in text.splitlines() if line.startswith("#")]
    assert header[0] == "# net: highest throughput with p99 <= 5ms"
    assert "study net-p99-5ms, trial 2 of 4" in header[1]
    assert any("met every ceiling" in line for line in header)
    assert any("triton 2.51.0" in line for line in header)
    assert ModelConfig.parse(text, "exported") == ModelConfig.parse(CONFIG, "own")


def test_an_exported_config_without_batching_keeps_a_later_run_from_searching_it(won: StudyResult) -> None:
    # protobuf drops a written zero, and without it a leading -1 would be taken for the batch
    tensors = [f'{kind} {{ name: "{kind}" data_type: TYPE_FP32 dims: [ -1, 8 ] }}' for kind in ("input", "output")]
    for text, written in (("\n".join(tensors), True), ("", False), ("max_batch_size: 4\n" + "\n".join(tensors), False)):
        one = replace(won.trials[0], outcome=replace(won.trials[0].outcome, configs={"net": text}))
        assert exported_texts(won, one)["net"].endswith("\nmax_batch_size: 0\n") == written


def test_exporting_writes_where_it_is_told(won: StudyResult, tmp_path: Path) -> None:
    assert export_trial(won, 0, tmp_path / "mine.pbtxt", tmp_path)[1] == tmp_path / "mine.pbtxt"
    assert export_trial(won, 0, tmp_path, tmp_path)[1] == tmp_path / "config.pbtxt"
    assert export_trial(won, 0, Path("-"), tmp_path)[1] is None
    with pytest.raises(UsageError, match="has no finished trial 9; it has 0, 1, 2, 3"):
        export_trial(won, 9, None, tmp_path)


def test_nothing_feasible_exports_only_a_chosen_trial(tmp_path: Path) -> None:
    nothing = result(trial(0, BASELINE, 0.02))
    with pytest.raises(UsageError, match="has no feasible trial; choose one with --trial N"):
        export_trial(nothing, None, None, tmp_path)
    assert "violated a ceiling" in export_trial(nothing, 0, None, tmp_path)[0]


def test_the_lower_latency_wins_at_a_given_rate() -> None:
    objective = Objective("latency", (), rate_per_s=500)

    def at_rate(number: int, service_s: float) -> TrialRecord:
        server = SimulatedServer(service_s)
        found = Meter(server, server, objective, MeasureOptions(confirm_s=1.0)).measure()
        kind = OutcomeKind.FEASIBLE if found.feasible else OutcomeKind.INFEASIBLE
        record = trial(number, BASELINE if number == 0 else PROPOSED, None, 8)
        return replace(record, outcome=replace(record.outcome, kind=kind, measurement=found, message=""))

    shown = summarise(
        study="x",
        model="net",
        objective=objective,
        trials=[at_rate(0, 0.001), at_rate(1, 0.0005), at_rate(2, 0.01)],
        storage="sqlite:///x.db",
    )
    assert shown.best is not None
    assert shown.best.number == 1
    assert shown.estimated_gain is not None
    assert shown.estimated_gain < 1
    assert "rate missed by" in printed(shown)


@pytest.mark.parametrize(("value", "text"), [(4050.4, "4,050"), (12.34, "12.3"), (math.nan, "-"), (None, "-")])
def test_rates_are_short(value: float | None, text: str) -> None:
    assert rate(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.00412, "4.12ms"), (math.inf, "lost"), (math.nan, "-"), (None, "-")])
def test_latencies_are_short(value: float | None, text: str) -> None:
    assert latency(value) == text


def test_a_field_that_is_left_out_is_not_told() -> None:

    def told(threads: int | None) -> str:
        candidate = Candidate((("max_batch_size", 8), ("parameters.intra_op_thread_count", threads)))
        return describe_candidate(candidate)

    assert told(None) == "batch 8"
    assert told(1) == "batch 8, parameters.intra_op_thread_count=1"
    assert phrase("parameters.intra_op_thread_count", None) == "parameters.intra_op_thread_count unset"


def test_a_batch_size_that_nothing_batches_to_is_not_told() -> None:
    """Without dynamic batching the space's largest one stands for all of them."""
    off = Candidate((("max_batch_size", 64), ("dynamic_batching", False), ("instance_count", 1)))
    assert describe_candidate(off) == "no dynamic batching, 1 instance"


def compared(won: StudyResult, *values: float, own: tuple[float, ...] = (), **changes: object) -> StudyResult:
    """The study with a final comparison of its best config and the baseline."""
    assert won.best is not None
    assert won.baseline is not None
    best = Finalist(won.best, dict(enumerate(values, start=1)))
    baseline = Finalist(won.baseline, dict(enumerate(own, start=1)))
    comparison = Comparison((best, baseline), won.objective, 0.02, SearchOptions())
    decision = decide(comparison)
    finals = Finals(
        finalists=(best, baseline) if own else (best,),
        winner=decision.winner,
        gain=comparison.ratio(best, baseline) if decision.winner is best and decision.baseline else None,
        sustained=level(decision.winner, (best, baseline), 0.95) if decision.winner else None,
        ties=decision.ties,
        rounds=len(values),
        open=bool(decision.open),
        **changes,  # type: ignore[arg-type]
    )
    shown = won.baseline if decision.winner is baseline else won.best
    return replace(won, best=shown, finals=finals)


def test_the_headline_has_gain_sustainable_rate_and_certified_rate_and_no_estimate_of_the_search(
    won: StudyResult,
) -> None:
    assert won.best is not None
    run = replace(won.best, label="certificate, trial 2", role="certificate", trial_id=won.best.id)
    shown = compared(won, 2000.0, 2010.0, own=(900.0, 905.0), certificate=run)
    gain, sustained, certified, delivered, *_ = verdict(shown)
    assert shown.gain is not None
    assert gain.startswith(f"Gain over the baseline: {shown.gain:.2f} times (95% interval ")
    assert sustained.startswith("Sustainable rate: 2,005 inferences/s with p99 <= 5ms (95% interval ")
    measured_now = run.outcome.measurement
    assert measured_now is not None
    assert certified.startswith(f"Certified: {rate(measured_now.rate_per_s)} inferences/s at 9")
    assert delivered.startswith("Delivered: trial 2 (proposed)")
    assert shown.measured is measured_now
    assert not any("located" in line for line in verdict(shown))


def test_a_certificate_that_proves_nothing_is_not_called_one(won: StudyResult) -> None:
    assert won.best is not None
    measured = won.best.outcome.measurement
    assert measured is not None
    outcome = replace(won.best.outcome, measurement=replace(measured, confidence=0.004, certified=True))
    run = replace(won.best, outcome=outcome, role="certificate", trial_id=won.best.id)
    (line,) = (each for each in verdict(compared(won, 2000.0, certificate=run)) if each.startswith("Not certified"))
    assert line.startswith("Not certified: the windows were too short; ")
    assert f"{rate(measured.rate_per_s)} inferences/s met the SLO (" in line


def test_the_change_of_config_is_a_diff(won: StudyResult) -> None:
    assert won.best is not None
    text = 'name: "net"\nbackend: "python"\nmax_batch_size: 64\n'
    best = replace(won.best, outcome=replace(won.best.outcome, configs={"net": text}))
    said = verdict(replace(won, best=best))
    assert "  - max_batch_size: 8" in said
    assert "  + max_batch_size: 64" in said
    assert not any(line.startswith(("  - name", "  + name")) for line in said)


@pytest.mark.parametrize(
    ("uncompared", "why"),
    [
        (Uncompared.NO_TIME, ": --time-budget left no time for its rounds."),
        (Uncompared.NOT_ASKED, ": --final-rounds is 0."),
    ],
)
def test_a_gain_that_no_comparison_confirmed_is_not_called_one_and_says_why(
    won: StudyResult, uncompared: Uncompared, why: str
) -> None:
    shown = replace(won, uncompared=uncompared)
    said = verdict(shown)[0]
    assert shown.gain is None
    assert f"({shown.estimated_gain:.2f} times by single measurements" in said
    assert said.endswith(f"no final comparison was made{why}")
    assert shown.best is not None
    assert all("# No final comparison confirmed" in text for text in exported_texts(shown, shown.best).values())


def test_the_time_after_the_search_is_named_for_what_took_it(won: StudyResult) -> None:
    won = replace(won, stopped="4 trials done", search_s=40.0, seconds=100.0)
    assert won.best is not None
    assert "Stopped after 100 s: 4 trials done." in verdict(won)
    certificate = replace(won.best, role="certificate", trial_id=won.best.id)
    both = compared(won, 2000.0, 2010.0, own=(900.0, 905.0), certificate=certificate)
    assert "Stopped after 100 s, 60 s of them for the final comparison and certificate: 4 trials done." in verdict(both)
    assert both.finals is not None
    alone = replace(both, finals=replace(both.finals, rounds=0, finalists=()))
    assert "Stopped after 100 s, 60 s of them for the certificate: 4 trials done." in verdict(alone)


def test_a_gain_whose_interval_includes_one_is_called_not_significant(won: StudyResult) -> None:
    """With ``--within`` the fewest instances are delivered, whether they are significantly better or not."""
    shown = compared(won, 2000.0, 2010.0, own=(900.0, 905.0))
    assert shown.finals is not None
    assert "significant" not in verdict(shown)[0]
    unsure = replace(shown, finals=replace(shown.finals, gain=Ratio(2.66, 0.17, 40.7, 2)))
    assert verdict(unsure)[0] == "Gain over the baseline: 2.66 times (95% interval 0.17 to 40.70; not significant)."


def test_memory_has_a_unit_that_a_person_reads() -> None:
    assert [memory(size) for size in (59_500_000, 3 << 29, None)] == ["56.7 MiB", "1.5 GiB", "-"]


def test_no_gain_is_claimed_or_denied_where_only_the_baseline_was_tried() -> None:
    (said,) = (line for line in verdict(result(trial(0, BASELINE, 0.001))) if "gain" in line)
    assert said == "No gain over the baseline is known: no other config was measured."


def test_an_open_gain_is_not_called_one(won: StudyResult) -> None:
    shown = compared(won, 1500.0, 900.0, 1200.0, own=(1000.0, 1010.0, 1000.0))
    assert shown.gain is not None
    assert verdict(shown)[0].startswith("No significant gain over the baseline: trial 2 came out better")


def test_no_gain_is_named_over_a_baseline_that_violated_the_slo_in_a_round(won: StudyResult) -> None:
    shown = compared(won, 2000.0, 2010.0, own=(900.0, 0.0))
    assert shown.gain is None
    assert verdict(shown)[0] == "The baseline violated the SLO in the final comparison; the delivered config met it."
    assert any(line.endswith("trial 0 (baseline): 900, violated") for line in verdict(shown))


def test_a_comparison_that_nobody_survived_says_so(won: StudyResult) -> None:
    shown = replace(compared(won, 2000.0, 0.0), best=won.best)
    assert any(line.startswith("No finalist met the SLO in every round") for line in verdict(shown))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "the ceilings were violated at the lowest rate that was tried"),
        ({"kind": OutcomeKind.CRASHED, "measurement": None, "message": "killed by signal 9"}, "killed by signal 9"),
    ],
)
def test_a_certificate_that_was_not_reached_says_why(won: StudyResult, changes: dict[str, object], why: str) -> None:
    assert won.best is not None
    run = trial(7, "certificate, trial 2", 0.02)
    run = replace(run, outcome=replace(run.outcome, **changes), role="certificate", trial_id=won.best.id)
    shown = compared(won, 2000.0, 2010.0, own=(900.0, 905.0), certificate=run)
    assert f"Not certified: {why}." in verdict(shown)
    assert won.best.outcome.measurement is shown.measured


def test_failed_requests_are_errors_in_tritons_words_and_not_latency() -> None:
    record = trial(0, BASELINE, 0.02)
    measured_now = record.outcome.measurement
    assert measured_now is not None
    assert measured_now.decided_by is not None
    words = "http 503: Exceeds maximum queue size"
    decided = replace(measured_now.decided_by, requests=1000, errors={"http 503": 50}, error_example=words)
    outcome = replace(record.outcome, measurement=replace(measured_now, decided_by=decided))
    said = "\n".join(verdict(result(replace(record, outcome=outcome))))
    assert f"5.0% of requests failed ({words})" in said
    assert "missed by" not in said
