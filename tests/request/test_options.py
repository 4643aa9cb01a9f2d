"""The options of requests: what help shows, what is refused, and where a new one appears."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_args

import pytest

import autotune
from autotune.cli import _experiment, _measure
from autotune.cli._command import make_command
from autotune.cli._printed import Printed
from autotune.errors import UsageError
from autotune.load import CLIENTS, protocols
from autotune.objective import GoalName, LoadName
from autotune.report import FORMATS, SWEEP_FORMATS
from autotune.report.experiment import EXPERIMENT_FORMATS
from autotune.request import (
    AT_LEAST_ONE,
    CheckRequest,
    CompareRequest,
    ExperimentRequest,
    MeasureRequest,
    Panel,
    Request,
    RunRequest,
    option,
    options_of,
)
from autotune.request._scenario import SCENARIOS
from autotune.search.samplers import SAMPLERS
from autotune.server._choose import LAUNCHERS


@pytest.mark.parametrize(
    ("request_", "name", "choices"),
    [
        (RunRequest, "objective", get_args(GoalName)),
        (RunRequest, "load", get_args(LoadName)),
        (RunRequest, "sampler", SAMPLERS),
        (RunRequest, "protocol", protocols()),
        (RunRequest, "client", CLIENTS),
        (RunRequest, "launch", ("auto", *LAUNCHERS)),
        (Printed, "format", FORMATS),
        (_measure.REQUEST, "format", SWEEP_FORMATS),
        (_experiment.REQUEST, "format", ("text", *EXPERIMENT_FORMATS)),
        (MeasureRequest, "scenario", SCENARIOS),
    ],
)
def test_help_shows_the_choices_that_there_are(request_: type[Request], name: str, choices: Iterable[str]) -> None:
    assert sorted(options_of(request_)[name].metavar.split("|")) == sorted(choices)


@pytest.mark.parametrize(
    "request_", [RunRequest, _measure.REQUEST, CompareRequest, CheckRequest, ExperimentRequest, _experiment.REQUEST]
)
def test_every_option_is_told_in_one_short_sentence(request_: type[Request]) -> None:
    for each in options_of(request_).values():
        assert each.help.endswith(".")
        assert ". " not in each.help
        assert len(each.help.split()) <= 15, each.help


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"trials": 0}, "--trials: 0 is out of range; use 1 or more"),
        ({"confidence": 1.0}, "--confidence: 1 is out of range; use a fraction above 0.5 and below 1"),
        ({"confidence": 0.5}, "--confidence: 0.5 is out of range"),
        ({"max_concurrency": 0}, "--max-concurrency: 0 is out of range"),
        ({"payloads": 0}, "--payloads: 0 is out of range"),
    ],
)
def test_a_number_out_of_range_is_refused_from_python_too(values: dict[str, float], line: str) -> None:
    with pytest.raises(UsageError, match=f"^{line}"):
        autotune.tune(p99="5ms", **values)


def test_a_keyword_that_is_no_option_is_refused() -> None:
    with pytest.raises(TypeError, match="p98"):
        autotune.tune(p98="5ms")


def test_the_measurement_gets_what_was_asked_for() -> None:
    asked = RunRequest(warm_up="7s", window="2s", confidence=0.9, max_concurrency=48, seed=3).measure_options()
    assert (asked.warm_up_s, asked.probe_s, asked.confidence, asked.max_concurrency, asked.seed) == (7, 2, 0.9, 48, 3)


def test_editors_see_every_field_as_a_keyword() -> None:
    keywords = inspect.signature(autotune.tune).parameters
    assert list(keywords)[:2] == ["model_repository", "model"]
    assert keywords.keys() == {each.name for each in fields(RunRequest)}


def test_a_new_field_is_a_flag_a_variable_and_a_config_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Trial(Request):
        new_thing: int | None = option(None, "N", "A new thing.", panel=Panel.LOAD, allowed=AT_LEAST_ONE)

    seen: list[int | None] = []
    command = make_command("trial", "Tries it.", Trial, lambda request: seen.append(request.new_thing))
    config = tmp_path / "config.yaml"
    config.write_text("new-thing: 3\n")
    command.main(["--config", str(config)], standalone_mode=False)
    monkeypatch.setenv("AUTOTUNE_NEW_THING", "2")
    command.main(["--config", str(config)], standalone_mode=False)
    command.main(["--config", str(config), "--new-thing", "1"], standalone_mode=False)
    assert seen == [3, 2, 1]
    with pytest.raises(UsageError, match=r"^--new-thing: 0 is out of range"):
        command.main(["--new-thing", "0"], standalone_mode=False)


def test_a_request_knows_which_options_were_given_even_if_they_equal_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RunRequest] = []
    command = make_command("run", "Runs.", RunRequest, seen.append)
    config = tmp_path / "config.yaml"
    config.write_text("sampler: model\n")
    monkeypatch.setenv("AUTOTUNE_LOAD", "open")
    command.main(["--config", str(config), "--protocol", "http"], standalone_mode=False)
    assert seen[0].given == {"sampler", "load", "protocol"}
    assert RunRequest("models", seed=0).given == {"model_repository", "seed"}
    completed = RunRequest(protocol="http").completed_with({"protocol": "grpc", "load": "closed"})
    assert (completed.protocol, completed.load) == ("http", "closed")


def test_a_changed_request_has_only_the_changes_given_besides() -> None:
    request = RunRequest(trace="arrivals.txt", p99="5ms").changed(model="double")
    assert request.given == {"trace", "p99", "model"}


def test_an_option_is_given_once_unless_it_is_repeatable() -> None:
    seen: list[RunRequest] = []
    command = make_command("run", "Runs.", RunRequest, seen.append)
    with pytest.raises(UsageError, match=r"^--model: is given 2 times; give it once$"):
        command.main(["--model", "a", "--model=b"], standalone_mode=False)
    with pytest.raises(UsageError, match=r"^--window: is given 2 times"):
        command.main(["--window", "1s", "--probe-duration", "2s"], standalone_mode=False)
    command.main(["--mount", "/a:/b", "--mount", "/c:/d"], standalone_mode=False)
    assert seen == [RunRequest(mount=["/a:/b", "/c:/d"])]


@pytest.mark.parametrize("request_", [RunRequest, MeasureRequest, CompareRequest, ExperimentRequest])
def test_from_python_one_value_of_a_repeatable_option_may_stand_for_itself(request_: type[Request]) -> None:
    """A string is a sequence too, of its letters."""
    names = [each.name for each in options_of(request_).values() if each.repeatable]
    assert names
    for name in names:
        assert getattr(request_(**{name: "a,b"}), name) == ("a,b",)
        assert getattr(request_(**{name: None}), name) == ()


def test_models_that_a_model_calls_are_named_in_one_string_from_python(tmp_path: Path) -> None:
    for name in ("caller", "one", "two"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").write_text(f'name: "{name}"\nbackend: "python"\n')
    request = RunRequest(model_repository=tmp_path, model="caller", composing_models="one, two")
    assert [each.name for each in request.find_model()[1]] == ["one", "two"]


def test_help_names_the_default_of_the_most_concurrency() -> None:
    asked = RunRequest().measure_options()
    assert f"{asked.max_concurrency} by default" in options_of(RunRequest)["max_concurrency"].help
