from pathlib import Path

import pytest

from autotune.arrivals import Constant
from autotune.errors import UsageError
from autotune.load import ConstantRate, PoissonRate, Trace, read_trace
from autotune.measurement import parse_sweep, schedules


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("8", [8]),
        ("1:4", [1, 2, 3, 4]),
        ("1:257:64", [1, 65, 129, 193, 257]),
        ("1:16:4", [1, 5, 9, 13]),
        ("8:8", [8]),
        ("1,8,16", [1, 8, 16]),
        ("1, 8:24:8, 8", [1, 8, 16, 24]),
    ],
)
def test_reads_a_sweep_as_perf_analyzer_writes_it(text: str, values: list[float]) -> None:
    assert parse_sweep(text, "--concurrency", whole=True) == values


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not understood"),
        ("a:b", "is not understood"),
        ("1:2:3:4", "is not understood"),
        ("1.5", "whole numbers"),
        ("0:4", "not above zero"),
        ("1,,2", "is not understood"),
        ("1:600,1001:1600", "give at most 1,000"),
        ("4:1", "ends below its start"),
        ("1:2:0", "not above zero"),
        ("1:60000", "choose a larger STEP"),
        ("1:inf", "is not understood"),
    ],
)
def test_refuses_a_bad_sweep_naming_the_flag(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_sweep(text, "--concurrency", whole=True)
    assert words in str(caught.value)
    assert str(caught.value).startswith("--concurrency: ")


def test_no_load_is_none() -> None:
    assert schedules(None, None, seed=0, batch_size=1) == ()


def test_a_rate_may_be_constant() -> None:
    assert schedules(None, 100, arrivals=Constant(), seed=0, batch_size=4) == (ConstantRate(25),)


@pytest.mark.parametrize(
    ("text", "kind", "times"), [("0.5\n0.7\n0.7\n", "timestamps", [0, 0.2, 0.2]), ("0.5\n0.2\n", "gaps", [0.5, 0.7])]
)
def test_a_trace_is_replayed_from_its_file(tmp_path: Path, text: str, kind: str, times: list[float]) -> None:
    (tmp_path / "arrivals.txt").write_text(text)
    file = read_trace(tmp_path / "arrivals.txt", kind)
    (trace,) = schedules(None, None, file, seed=0, batch_size=1)
    assert isinstance(trace, Trace)
    assert trace.arrivals(10.0) == pytest.approx(times)


def test_a_rate_is_in_inferences_and_each_step_has_its_own_seed() -> None:
    assert schedules(None, "100:200:100", seed=7, batch_size=4) == (PoissonRate(25, 7), PoissonRate(50, 8))


def test_refuses_arrivals_of_a_closed_loop() -> None:
    with pytest.raises(UsageError, match=r"^--concurrency: a closed loop sends a request after each answer"):
        schedules("8", None, arrivals=Constant(), seed=0, batch_size=1)


def test_refuses_both_loads_at_once() -> None:
    with pytest.raises(UsageError, match="not both"):
        schedules("1", "100", seed=0, batch_size=1)
