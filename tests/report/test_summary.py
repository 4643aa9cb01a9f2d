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
from autotune.objective import Objective
from autotune.outcome import OutcomeKind
from autotune.report import FORMATS, export_trial, latency, rate, study_summary, sweep_table, verdict
from autotune.report._format import describe_candidate, phrase
from autotune.repository import ModelConfig
from autotune.search import BASELINE, PROPOSED, Finalist, Finals, StudyResult
from autotune.search._result import summarise
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
    assert "Best: trial 2 (proposed)" in text
    assert f"{won.gain:.2f} times your config's" in text
    assert "batch 8, 2 instances" in text
    assert "failed to load: no such backend" in text
    assert "p99 <= 5ms missed by" in text


def test_no_line_of_the_verdict_depends_on_the_width(won: StudyResult) -> None:
    assert all(line in printed(won, width=60) for line in verdict(won))


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_tables_keep_every_number_on_a_narrow_terminal(won: StudyResult, width: int) -> None:
    table = printed(won, width).partition("Best:")[0]
    assert max(map(len, table.splitlines())) <= width
    assert "…" not in table
    assert re.search(r"^ +\*2 +1,\d{3} +\d\.\d+ms .*kept +batch 8", table, re.MULTILINE)
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
    assert text.count("kept") == 2


def test_says_when_nothing_beats_the_persons_config() -> None:
    text = printed(result(trial(0, BASELINE, 0.0004), trial(1, PROPOSED, 0.001, 8)))
    assert "Best: trial 0 (your config)" in text
    assert "no config that was tried beats it" in text


def test_says_how_close_the_nearest_came_where_nothing_is_feasible() -> None:
    text = printed(result(trial(0, BASELINE, 0.02), trial(1, PROPOSED, 0.006, 8)))
    assert "No config keeps the promise (highest throughput with p99 <= 5ms)" in text
    assert "Nearest: trial 1 (proposed): p99 <= 5ms missed by 20%" in text


def test_says_when_nothing_was_measured_at_all() -> None:
    assert "No trial got as far as being measured" in printed(result(trial(0, BASELINE, None)))


def test_json_is_plain_and_complete(won: StudyResult) -> None:
    shown = json.loads(FORMATS["json"].study(won), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert shown["best"]["number"] == 2
    assert shown["gain"] == won.gain
    assert shown["objective"]["ceilings"] == [{"statistic": "p99", "limit_s": 0.005}]
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
    assert any("kept every ceiling" in line for line in header)
    assert any("triton 2.51.0" in line for line in header)
    assert ModelConfig.parse(text, "exported") == ModelConfig.parse(CONFIG, "own")


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
    assert "did not keep every ceiling" in export_trial(nothing, 0, None, tmp_path)[0]


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
    assert shown.gain is not None
    assert shown.gain < 1
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


def test_where_finals_were_held_they_alone_say_how_the_best_compares(won: StudyResult) -> None:
    assert won.baseline is not None
    own = Finalist(won.baseline, (), (900.0, 910.0))
    held = replace(won, best=won.baseline, finals=Finals((own,), own, None, rounds=2))
    assert "no config that was tried beats it" in "\n".join(verdict(replace(held, finals=None)))
    assert "no config that was tried beats it" not in "\n".join(verdict(held))


def test_who_left_the_finals_is_told(won: StudyResult) -> None:
    assert won.best is not None
    assert won.baseline is not None
    best, left = Finalist(won.best, (), (2000.0, 2010.0)), Finalist(won.baseline, (), (900.0,))
    said = verdict(replace(won, finals=Finals((best, left), best, None, rounds=2)))
    assert [line.endswith("; left after round 1") for line in said if line.startswith(("  *trial", "   trial"))] == [
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((2000.0,), "2,000 inferences/s"),
        ((2000.0, 2100.0, 1990.0), "(median 2,000)"),
        ((2000.0, 2100.0, 1990.0, 1400.0, 1401.0), "(mean without best and worst 1,797)"),
    ],
)
def test_what_a_finalists_rounds_come_to_is_told(won: StudyResult, values: tuple[float, ...], said: str) -> None:
    assert won.best is not None
    best = Finalist(won.best, (), values)
    lines = verdict(replace(won, finals=Finals((best,), best, None, rounds=len(values))))
    assert next(line for line in lines if line.startswith("  *trial")).endswith(said)


def test_no_gain_is_told_over_a_config_that_broke_the_promise_in_the_finals(won: StudyResult) -> None:
    assert won.best is not None
    assert won.baseline is not None
    assert won.gain is not None
    best = Finalist(won.best, (), (2000.0, 2010.0, 1990.0))
    own = Finalist(won.baseline, (), (900.0, 0.0, 910.0))
    held = replace(won, finals=Finals((best, own), best, None, rounds=3))
    assert held.gain is None
    said = verdict(held)
    assert "Your config broke the promise in 1 of 3 rounds." in said
    left = Finalist(won.baseline, (), (0.0,))  # and played no other round
    assert "Your config broke the promise in 1 of 1 round." in verdict(
        replace(won, finals=Finals((best, left), best, None, rounds=3))
    )
    assert not any("your config does not keep the promise" in line for line in said)


def failed_certificate(of: TrialRecord, **changes: object) -> TrialRecord:
    run = trial(7, f"certificate, trial {of.number}", 0.02)
    outcome = replace(run.outcome, config_text=of.outcome.config_text, **changes)
    return replace(run, outcome=outcome, role="certificate")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, "the promise was broken at every rate that was tried"),
        ({"kind": OutcomeKind.CRASHED, "measurement": None, "message": "killed by signal 9"}, "killed by signal 9"),
    ],
)
@pytest.mark.parametrize("rounds", [0, 2])
def test_a_certificate_that_was_not_reached_is_told(
    won: StudyResult, changes: dict[str, object], why: str, rounds: int
) -> None:
    assert won.best is not None
    best = Finalist(won.best, (), (2000.0, 2010.0)[:rounds])
    certificate = failed_certificate(won.best, **changes)
    shown = replace(won, finals=Finals((best,) if rounds else (), best, None, certificate=certificate, rounds=rounds))
    assert f"No certificate, trial 2: {why}." in verdict(shown)
    assert shown.measured is won.best.outcome.measurement


def test_finals_that_nobody_survived_are_told_beside_what_the_trial_showed(won: StudyResult) -> None:
    assert won.best is not None
    lost = Finalist(won.best, (), (2000.0, 0.0))
    certificate = failed_certificate(won.best)
    shown = replace(won, finals=Finals((lost,), None, None, certificate=certificate, rounds=2))
    said = verdict(shown)
    assert "No finalist kept the promise in every round: what is delivered kept it in its trial alone." in said
    assert any(line.startswith("No certificate, trial 2: ") for line in said)
    assert shown.measured is won.best.outcome.measurement
    proven = replace(shown, finals=Finals((lost,), None, None, certificate=won.best, rounds=2))
    assert any(line.endswith("what is delivered kept it in its trial and its certificate.") for line in verdict(proven))


def test_a_certificate_that_was_reached_is_told_by_its_rate_alone(won: StudyResult) -> None:
    assert won.best is not None
    run = replace(won.best, label="certificate, trial 2", role="certificate")
    held = Finalist(won.best, (), (2000.0, 2010.0))
    shown = replace(won, finals=Finals((held,), held, None, certificate=run, rounds=2))
    assert not any(line.startswith("No certificate") for line in verdict(shown))
    assert shown.measured is run.outcome.measurement
