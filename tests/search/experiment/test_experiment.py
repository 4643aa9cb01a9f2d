"""Experiments on simulated servers: turns, who wins at which load, ties, failures, interruptions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from stored_trials import probe

from autotune.environment import Environment
from autotune.load import ClosedLoop
from autotune.measurement import Probe
from autotune.objective import Ceiling
from autotune.report.experiment import print_experiment, verdict_of
from autotune.report.experiment._figures import figures
from autotune.report.experiment._files import document
from autotune.search.comparison import Out, Sample, rank
from autotune.search.experiment import Entrant, ExperimentResult, Load

HERE = Environment("cpu", 1, 2, 2.0, 1 << 30, (), "os", "kernel", "3.11")


def _load(concurrency: int, batch_size: int = 1) -> Load:
    return Load(ClosedLoop(concurrency), batch_size)


def _sample(load: Load, per_s: float) -> Sample:
    assert load.schedule is not None
    latency_s = dict.fromkeys(("p50", "p90", "p95", "p99", "avg"), 0.01)
    window = probe(load.schedule, achieved_per_s=per_s, batch_size=load.batch_size, steps=(), latency_s=latency_s)
    return Sample(per_s, window)


def _entrant(name: str, rounds: Mapping[Load, Sequence[float]], **fields: object) -> Entrant:
    count = len(next(iter(rounds.values())))
    measured = {
        number + 1: {load: _sample(load, values[number]) for load, values in rounds.items()} for number in range(count)
    }
    variant, _, client = name.rstrip(")").partition(" (")
    return Entrant(name, variant, client, "net", "http", tuple(rounds), rounds=measured, **fields)  # type: ignore[arg-type]


def _result(*entrants: Entrant, rounds: int = 3, statistic: str | None = "") -> ExperimentResult:
    return ExperimentResult("study", "", entrants, statistic, (), HERE, "", rounds)


FAST_ALONE = _entrant("plain", {_load(1): [200, 202, 198], _load(8): [500, 505, 495]})
FAST_TOGETHER = _entrant("batched", {_load(1): [50, 51, 49], _load(8): [800, 790, 810]})


def test_each_load_has_its_own_winner_and_the_mean_over_all_loads_decides_overall() -> None:
    result = _result(FAST_ALONE, FAST_TOGETHER)
    assert [rank(result.at(load)).fastest.name for load in result.loads] == ["plain", "batched"]  # type: ignore[union-attr]
    (overall,) = (each for each in result.overall().contenders if each.name == "plain")
    assert overall.rounds[1] == pytest.approx(math.sqrt(200 * 500))
    lines = verdict_of(result)
    assert "Fastest: plain." in lines
    assert "At concurrency 1: plain is fastest." in lines
    assert "At concurrency 8: batched is fastest." in lines


def test_a_table_shows_each_statistic_that_is_limited() -> None:
    limited = replace(_result(FAST_ALONE, FAST_TOGETHER), ceilings=(Ceiling("p99.9", 0.02), Ceiling("p99", 0.01)))
    rounds = {
        number: {load: replace(sample, probe=_with_p99_9(sample)) for load, sample in samples.items()}
        for number, samples in FAST_ALONE.rounds.items()
    }
    result = replace(limited, entrants=(replace(FAST_ALONE, rounds=rounds),))
    head, *rows = print_experiment(result, ["csv"]).splitlines()
    assert "p99 latency (ms),avg latency (ms),p99.9 latency (ms),SLO" in head
    assert all(",10.0,15.0,met" in row for row in rows)
    assert "p99.9" in print_experiment(result, ["table"]).splitlines()[0].split()


def _with_p99_9(sample: Sample) -> Probe:
    assert sample.probe is not None
    return replace(sample.probe, latency_s={**sample.probe.latency_s, "p99.9": 0.015})


def test_what_scatters_more_than_it_differs_is_a_tie_and_the_first_variant_holds() -> None:
    other = _entrant("other", {_load(1): [210, 180, 215], _load(8): [520, 470, 530]})
    lines = verdict_of(_result(FAST_ALONE, other))
    assert any(line.startswith("Tie: ") for line in lines)
    assert "No variant is significantly faster than plain, the first one." in lines
    assert "At concurrency 1 and 8: tie of plain and other." in lines


def test_intervals_at_one_load_hold_for_all_loads_together() -> None:
    """So a difference that is significant at a single load may be a tie among many."""
    alone = _result(_entrant("a", {_load(1): [100, 103, 98]}), _entrant("b", {_load(1): [108, 112, 107.5]}))
    many = [_load(concurrency) for concurrency in range(1, 40)]
    beside = _result(
        _entrant("a", {load: [100, 103, 98] for load in many}),
        _entrant("b", {load: [108, 112, 107.5] for load in many}),
    )
    assert rank(alone.at(_load(1))).slower
    assert not rank(beside.at(_load(1))).slower


def test_a_variant_that_does_not_load_is_out_and_named() -> None:
    failed = Sample(None, None, Out.FAILED, "failed to load: no weights")
    broken = Entrant("broken", "broken", "", "net", "http", (_load(1), _load(8)), failed=failed)
    result = _result(FAST_ALONE, FAST_TOGETHER, broken)
    assert "broken: failed to load: no weights." in verdict_of(result)
    assert "At concurrency 1: plain is fastest." in verdict_of(result)


def test_rounds_that_say_nothing_leave_a_load_undecided() -> None:
    load = _load(1)
    disturbed = Sample(None, _sample(load, 100.0).probe, message="the machine was disturbed")
    often = _entrant("often", {load: [100.0, 101.0, 102.0], _load(8): [100.0, 101.0, 102.0]})
    once = _entrant("once", {load: [100.0, 101.0, 102.0], _load(8): [50.0, 51.0, 52.0]})
    rounds = {
        number: {**samples, load: disturbed if number > 1 else samples[load]} for number, samples in once.rounds.items()
    }
    lines = verdict_of(_result(often, replace(once, rounds=rounds)))
    assert "At concurrency 1: undecided between often and once, too few rounds could be measured." in lines
    assert "At concurrency 8: often is fastest." in lines


def test_the_row_of_a_rate_is_the_round_with_the_median_latency() -> None:
    load = _load(1)
    probes = [_sample(load, 100.0).probe for _ in range(3)]
    slow = [
        Sample(p99, replace(probe, latency_s={**probe.latency_s, "p99": p99}))  # type: ignore[type-var,union-attr]
        for p99, probe in zip((0.3, 0.1, 0.2), probes, strict=True)
    ]
    entrant = replace(
        _entrant("plain", {load: [1.0]}), rounds={number: {load: each} for number, each in enumerate(slow, 1)}
    )
    (row,) = _result(entrant, statistic="p99").sweep(entrant).probes
    assert row.latency_s["p99"] == 0.2


def test_one_round_decides_nothing() -> None:
    result = _result(_entrant("plain", {_load(1): [200]}), _entrant("other", {_load(1): [900]}), rounds=1)
    assert verdict_of(result) == ["One round has no interval, so nothing is compared."]


def test_one_variant_alone_has_no_verdict() -> None:
    assert verdict_of(_result(FAST_ALONE)) == []


def test_rows_are_the_median_round_and_the_csv_has_every_round() -> None:
    result = _result(FAST_ALONE, FAST_TOGETHER)
    assert [each.achieved_per_s for each in result.sweep(FAST_TOGETHER).probes] == [50, 800]
    rows = print_experiment(result, ["csv"], ["throughput"]).splitlines()
    assert rows[0] == "Variant,Round,Batch,Concurrency,Inferences/Second"
    assert len(rows) == 1 + 2 * 2 * 3
    markdown = print_experiment(result, ["markdown"], ["throughput", "p99"]).splitlines()
    assert [each.strip() for each in markdown[0].split("|")[4:-1]] == ["Inferences/Second", "p99 latency (ms)"]
    lines = print_experiment(result, ["lines"])
    assert "# plain\nConcurrency: 1, throughput: 200.00 infer/sec" in lines


def test_failed_requests_and_a_violated_slo_are_shown() -> None:
    load = _load(8)
    sample = _sample(load, 100.0)
    assert sample.probe is not None
    broken = replace(sample.probe, errors={"503": 7}, requests=50, error_example="503 queue full", holds=False)
    entrant = replace(_entrant("plain", {load: [100.0]}), rounds={1: {load: Sample(100.0, broken)}})
    result = replace(_result(entrant, rounds=1), ceilings=(Ceiling("p99", 0.005),))
    printed = print_experiment(result, ["table"])
    assert "plain: 7 of 50 requests failed, such as 503 queue full." in printed
    (row,) = (line for line in printed.splitlines() if line.startswith("plain "))
    assert row.split()[-2:] == ["violated", "7"]
    header, _, cells = print_experiment(result, ["markdown"]).splitlines()
    assert [(header.split("|")[at].strip(), cells.split("|")[at].strip()) for at in (-3, -2)] == [
        ("SLO", "violated"),
        ("Errors", "7"),
    ]


def test_several_clients_have_a_column() -> None:
    result = _result(_entrant("plain (http)", {_load(1): [200.0]}), _entrant("plain (grpc)", {_load(1): [300.0]}))
    assert print_experiment(result, ["csv"], ["throughput"]).startswith("Variant,Client,Round,Batch")


@pytest.mark.parametrize(
    ("loads", "names"),
    [
        ([_load(1, 1), _load(1, 8)], ["throughput_vs_batch", "throughput_vs_latency", "latency_vs_batch"]),
        ([_load(8), _load(16)], ["latency_vs_concurrency", "throughput_vs_concurrency"]),
        ([_load(8)], ["throughput", "latency"]),
    ],
)
def test_the_plots_follow_what_varies(loads: list[Load], names: list[str]) -> None:
    result = _result(_entrant("plain", {load: [100.0, 101.0] for load in loads}))
    assert [each.name for each in figures(result)] == names


def test_the_report_has_the_machine_and_each_variants_config() -> None:
    result = _result(_entrant("plain", {_load(8): [100.0]}, configs={"net": 'name: "net"\n'}))
    sections = {each.name: each for each in document(result).sections}
    assert sections.keys() >= {"results", "plots", "variants", "machine"}
