"""Options: each has an environment variable and a help that fits the terminal."""

from __future__ import annotations

import inspect
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from autotune import api
from autotune.cli import main
from autotune.cli._app import app


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from _commands(below, (*path, name))
    else:
        yield " ".join(path), command


COMMANDS = dict(_commands(app))
OPTIONS = [
    pytest.param(parameter, id=f"{name} {parameter.opts[0]}")
    for name, command in COMMANDS.items()
    for parameter in command.params
    if parameter.opts[0].startswith("--")
]


def test_every_command_is_walked() -> None:
    assert COMMANDS.keys() == {
        "run",
        "measure",
        "compare",
        "check",
        "experiment",
        "export",
        "report",
        "studies list",
        "studies show",
        "studies diff",
        "studies export",
        "dashboard",
        "serve",
        "token",
        "watch",
        "clean",
        "doctor",
    }
    assert len(OPTIONS) > 70


@pytest.mark.parametrize("parameter", OPTIONS)
def test_every_option_has_its_variable_and_a_help(parameter: Any) -> None:
    flag = parameter.opts[0]
    assert parameter.envvar == "AUTOTUNE_" + flag[2:].upper().replace("-", "_")
    assert parameter.help.endswith(".")
    assert parameter.metavar is not None  # empty for a switch; typer would show a Python type otherwise
    assert bool(parameter.metavar) != parameter.is_flag
    assert parameter.rich_help_panel


@pytest.mark.parametrize("command", ["run", "measure", "compare", "check"])
def test_every_keyword_of_the_python_interface_is_an_option_with_the_same_default(command: str) -> None:
    function = {"run": api.tune, "measure": api.measure, "compare": api.compare, "check": api.check}[command]
    keywords = {name: each.default or None for name, each in inspect.signature(function).parameters.items()}
    options = {parameter.name: parameter.default or None for parameter in COMMANDS[command].params}
    printing = ("format", "json", "config", "plain", "quiet", "log_json")
    assert {name: value for name, value in options.items() if name not in printing} == keywords


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Runs a command and returns what it asked of the Python interface, which is left out."""

    class Asked(Exception):
        pass

    def run(*arguments: str, **variables: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def ask(request: Any = None, observer: Any = None, **settings: Any) -> None:
            found.update(vars(request) if request else settings)
            raise Asked

        for function in ("run_study", "run_measurement", "export", "list_studies", "doctor"):
            monkeypatch.setattr(api, function, ask)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(Asked):
            main(arguments)
        return found

    return run


def test_variables_of_every_kind_arrive_typed(received: Callable[..., dict[str, Any]]) -> None:
    asked = received(
        "run",
        AUTOTUNE_SHAPE="x:1,2 y:3",
        AUTOTUNE_MOUNT="/a:/b",
        AUTOTUNE_HTTP_PORT="8123",
        AUTOTUNE_MEMORY="4g",
        AUTOTUNE_RESULTS="here",
        AUTOTUNE_MIN_THROUGHPUT="2.5",
    )
    assert asked["shape"] == ("x:1,2", "y:3")
    assert asked["mount"] == ("/a:/b",)
    assert asked["http_port"] == 8123
    assert asked["memory"] == "4g"
    assert asked["results"] == "here"
    assert asked["min_throughput"] == 2.5


def test_flags_win_over_variables(received: Callable[..., dict[str, Any]]) -> None:
    asked = received("export", "--trial", "2", AUTOTUNE_TRIAL="1", AUTOTUNE_OUTPUT="-")
    assert (asked["trial"], asked["output"]) == (2, "-")


@pytest.mark.parametrize(("value", "is_json"), [("1", True), ("true", True), ("0", False), ("no", False)])
def test_a_switch_has_a_variable_too(
    value: str, is_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(api, "doctor", lambda **_: ())
    monkeypatch.setenv("AUTOTUNE_JSON", value)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert (json.loads(out) == []) if is_json else (out == "")


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_the_terminal_with_nothing_cut_short(
    command: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    words = set(out.replace(",", " ").split())
    for parameter in COMMANDS[command].params:
        assert words >= {option for option in parameter.opts if option.startswith("-")}
    assert "AUTOTUNE_SHM_SIZE" in out


def test_help_begins_with_the_objective(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--help"]) == 0
    out = capsys.readouterr().out
    places = [out.index(f"─ {panel} ─") for panel in ("Objective", "Model", "Search", "Load", "Server", "Output")]
    assert places == sorted(places)
    assert "─ Options ─" not in out


@pytest.mark.parametrize("group", [[], ["studies"]])
def test_no_command_shows_the_help_and_is_an_error(group: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(group) == 2
    captured = capsys.readouterr()
    assert "Usage: " in captured.out
    assert "autotune: " not in captured.err


@pytest.mark.parametrize("arguments", [["-c", "import autotune"], ["-m", "autotune", "--help"]])
def test_starts_quickly(arguments: list[str]) -> None:
    def cpu_s() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=os.environ)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cpu_s() for _ in range(3)) < 0.5
