"""What describes an objective is read back as the same objective."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotune.objective import Objective
from autotune.request import RunRequest, objective_flags, options_of

GIVEN = [
    {"p99": "5ms"},
    {"p99": "1234.5us", "avg": "2m", "ceiling": ["p99.9=8ms,p50=0.3us"]},
    {"ceiling": "first-response-p50=20ms", "protocol": "grpc", "streaming": True},
    {"ttfr_p99": "50ms", "p99": "200ms", "protocol": "grpc", "streaming": True},
    {"p95": "20ms", "load": "closed", "client_time": "3.3ms"},
    {"p99": "5ms", "arrivals": "gamma:2.5", "within": "7.5%", "max_memory": "1536m", "max_gpu_memory": "1.3g"},
    {"p99": "5ms", "arrivals": "constant", "max_memory": "999.9k"},
    {"objective": "latency", "min_throughput": 1234.5678, "p90": "1s"},
    {"objective": "p95", "min_throughput": 100},
    {"objective": "memory", "min_throughput": 500, "p99": "20ms"},
    {"objective": "throughput,p99,memory", "p99": "20ms"},
    {"objective": "p50,throughput", "min_throughput": 300, "p99": "20ms"},
    {"objective": "goodput", "goodput": "5ms", "min_throughput": 800},
    {"models": "a=2,b=0.1", "p99": "a=5ms,b=20ms", "avg": "3ms", "ceiling": ["p99.9=8ms"]},
]


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_flags_are_read_back_as_the_same_objective(given: dict[str, object]) -> None:
    """Each flag is one that the command has, and its value is exact."""
    objective = RunRequest(**given).goal()  # type: ignore[arg-type]
    sent = {name: given[name] for name in ("protocol", "streaming") if name in given}  # how requests are sent
    assert _read(objective_flags(objective), sent) == objective


def test_a_recording_is_a_trace_and_another_one_takes_its_place(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("0\n0.1\n0.3\n")
    recorded = RunRequest(p99="5ms", trace=tmp_path / "t.txt").goal()
    assert objective_flags(recorded) == ["--p99", "5ms", "--trace", "t.txt"]
    assert objective_flags(recorded, "seen.txt") == ["--p99", "5ms", "--trace", "seen.txt"]
    closed = RunRequest(p99="5ms", load="closed").goal()
    assert objective_flags(closed, "seen.txt") == ["--p99", "5ms", "--load", "closed"]


def _read(flags: list[str], sent: dict[str, object]) -> Objective:
    names = {flag: each for each in options_of(RunRequest).values() for flag in (each.flag, *each.aliases)}
    values: dict[str, object] = dict(sent)
    for flag, text in zip(flags[::2], flags[1::2], strict=True):
        option = names[flag]
        if option.repeatable:
            earlier = values.get(option.name, ())
            values[option.name] = [*earlier, text]  # type: ignore[misc]
        else:
            values[option.name] = option.type(text)
    return RunRequest(**values).goal()  # type: ignore[arg-type]
