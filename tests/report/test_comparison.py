"""What `autotune compare` and `check` print: the verdict, the gate and JUnit XML."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from autotune.environment import Environment
from autotune.report import FORMATS, junit_xml
from autotune.report._comparison import gate_sentence, verdict_lines
from autotune.search import BASELINE
from autotune.search.comparison import OURS, Baseline, CheckResult, ComparisonResult, Contender, Metric, Out, Sample

HERE = Environment("cpu", 1, 2, 2.0, 1 << 30, (), "os", "kernel", "3.11")
AT_8 = Metric("concurrency 8")


def _contender(name: str, *values: float) -> Contender:
    return Contender(name, {"net": "x"}, {number: Sample(value) for number, value in enumerate(values, 1)})


def _out(name: str, out: Out, message: str) -> Contender:
    return Contender(name, {"net": "x"}, {1: Sample(None, None, out, message)})


def _result(*contenders: Contender) -> ComparisonResult:
    return ComparisonResult("net", AT_8, contenders, HERE)


def _check(ours: Contender, *, recorded: float = 100.0) -> CheckResult:
    baseline = Baseline("net", {"net": "x"}, str(AT_8), recorded, HERE)
    return CheckResult(_result(ours, _contender(BASELINE, 100, 101, 99)), 0.05, baseline)


def test_ties_are_called_ties_and_the_rest_is_slower_or_out() -> None:
    lines = verdict_lines(
        _result(
            _contender("a", 100, 101, 99),
            _contender("b", 100, 99, 101),
            _contender("c", 50, 51, 49),
            _out("d", Out.FAILED, "failed to load: no such file"),
        )
    )
    assert lines[0] == "Tie: no significant difference between a and b."
    assert lines[1].startswith("Slower: c; a is 2.00 times (")
    assert lines[2] == "d: failed to load: no such file."
    assert lines[3] == "Intervals are at 95% confidence, corrected for 3 pairs of configs."


def test_the_fastest_config_is_named() -> None:
    assert verdict_lines(_result(_contender("a", 100, 101, 99), _contender("b", 50, 51, 49)))[0] == "Fastest: a."


def test_no_config_is_called_fastest_if_none_was_compared() -> None:
    violated = _out("a", Out.VIOLATED, "violates the SLO, p99 9ms")
    assert verdict_lines(_result(violated)) == ["No config meets the SLO.", "a: violates the SLO, p99 9ms."]
    assert verdict_lines(_result(_out("a", Out.FAILED, "crashed")))[0] == "Undecided: no config could be measured."


def test_the_gate_says_by_how_much_and_how_surely() -> None:
    assert gate_sentence(_check(_contender(OURS, 100, 101, 99))).startswith(
        "Passed: the config in the repository is 1.00"
    )
    failed = gate_sentence(_check(_contender(OURS, 80, 81, 79)))
    assert failed.startswith("Failed: the config in the repository is 0.80 times (0.")
    assert failed.endswith("as fast as the baseline, significantly more than 5% slower.")
    assert "not significantly; more --rounds may decide" in gate_sentence(_check(_contender(OURS, 50, 130, 70)))
    assert gate_sentence(_check(_out(OURS, Out.VIOLATED, "violates the SLO, p99 9ms"))).startswith("Failed: ")
    failed = gate_sentence(_check(_out(OURS, Out.FAILED, "failed to load: x")))
    assert failed == "Failed: the config in the repository failed to load: x."
    assert gate_sentence(_check(_contender(OURS, 100))) == "Undecided: fewer than two rounds were measured."


def test_a_baseline_that_differs_from_its_record_is_noted() -> None:
    config = _contender(OURS, 100, 101, 99)
    assert "reached 200 when it was recorded, 100.0 now" in FORMATS["text"].check(_check(config, recorded=200))
    assert "when it was recorded" not in FORMATS["text"].check(_check(config))


def test_junit_has_a_failure_an_error_or_neither() -> None:
    def read(result: CheckResult) -> ElementTree.Element:
        case = ElementTree.fromstring(junit_xml(result)).find("testsuite/testcase")  # noqa: S314
        assert case is not None
        return case

    assert [each.tag for each in read(_check(_contender(OURS, 100, 101, 99)))] == ["system-out"]
    assert [each.tag for each in read(_check(_contender(OURS, 50, 51, 49)))] == ["failure"]
    (failure,) = read(_check(_out(OURS, Out.FAILED, 'failed to load: <model> & "more"\x00')))
    assert failure.tag == "failure"
    assert '<model> & "more"' in failure.attrib["message"]
    assert [each.tag for each in read(_check(_contender(OURS, 100)))] == ["error"]


def test_markup_in_names_is_printed_as_it_is() -> None:
    result = _result(_contender("[red]a[/red]", 1, 1), _contender("b", 2, 2))
    text = FORMATS["text"].comparison(replace(result, model="[bold]net"))
    assert "[red]a[/red]" in text
    assert "[bold]net" in text


def test_the_tables_fit_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotune.report._format._WIDTH_WITHOUT_TERMINAL", 80)
    names = ("max_queue_delay_1000us.pbtxt", "b" * 60)
    text = FORMATS["text"].comparison(_result(*(_contender(name, 12000, 12100, 11900) for name in names)))
    table = text[: text.index("by round")].splitlines()[:-1]
    assert max(map(len, table)) <= 80
    assert "…" not in text
    assert text.count("12,000") == 4
