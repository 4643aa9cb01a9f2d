"""``--config``: what the file may hold and how it says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotune import api
from autotune.cli import main


class Asked(Exception):
    """The Python interface was reached."""


@pytest.fixture
def received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """What a command with this file asked of the Python interface."""

    def run(command: str, text: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def ask(request: Any, observer: Any) -> None:
            found.update(vars(request))
            raise Asked

        monkeypatch.setattr(api, "run_study", ask)
        monkeypatch.setattr(api, "run_measurement", ask)
        path = tmp_path / "autotune.yaml"
        path.write_text(text)
        with pytest.raises(Asked):
            main([command, "--config", str(path)])
        return found

    return run


def test_values_arrive_typed(received: Callable[..., dict[str, Any]]) -> None:
    asked = received("run", "model: 12\np99: 5ms\ntrials: 3\nhttp_port: 8123\nresults: there\nmin-throughput: 1e3\n")
    assert (asked["model"], asked["p99"], asked["trials"], asked["http_port"]) == ("12", "5ms", 3, 8123)
    assert asked["results"] == "there"
    assert asked["min_throughput"] == 1000


@pytest.mark.parametrize("value", ["/a:/b", "[/a:/b]", "\n  - /a:/b"])
def test_a_repeatable_flag_takes_one_value_or_a_list(received: Callable[..., dict[str, Any]], value: str) -> None:
    asked = received("run", f"mount: {value}\nshape: x:1,2\n")
    assert asked["mount"] == ("/a:/b",)
    assert asked["shape"] == ("x:1,2",)


def test_a_sweep_is_no_number_in_base_60(received: Callable[..., dict[str, Any]]) -> None:
    assert received("measure", "concurrency: 1:32:8\n")["concurrency"] == "1:32:8"


def test_a_key_without_a_value_changes_nothing(received: Callable[..., dict[str, Any]]) -> None:
    asked = received("run", "trials:\nmodel: null\nseed: ~\n")
    assert (asked["trials"], asked["model"], asked["seed"]) == (None, None, 0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("p99: {limit: 5ms}\n", "p99: expected one value, found a mapping: {'limit': '5ms'}"),
        ("p99: [5ms, 6ms]\n", "p99: expected one value, found a list: ['5ms', '6ms']"),
        ("mount: {/a: /b}\n", "mount: expected a value or a list of values, found a mapping: {'/a': '/b'}"),
        ("shape: [[x, 1]]\n", "shape: expected a value or a list of values, found a list: ['x', '1']"),
        ("trials: many\n", "trials: found 'many'; input should be a valid integer"),
        ("trials: 0\n", "trials: 0 is out of range; use 1 or more"),
        ("json: perhaps\n", "json: found 'perhaps'; input should be a valid boolean"),
    ],
)
def test_a_wrong_value_names_file_and_key_and_what_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    path = tmp_path / "autotune.yaml"
    path.write_text(text)
    assert main(["run", "--config", str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"autotune: --config: {path}: {complaint}")
    assert err.count("\n") == 1


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "autotune.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert main(["run", "--config", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"autotune: --config: cannot read {path}: ")
