"""The inputs from which ``make fuzz`` follows branches; the search itself needs atheris."""

from __future__ import annotations

import importlib.util

import pytest

pytest.importorskip("hypothesis")

import coverage_guided


@pytest.mark.parametrize("name", coverage_guided.READ_AS)
def test_search_starts_from_inputs_that_are_read_to_the_end(name: str) -> None:
    assert coverage_guided.seeds()[name]
    for seed in coverage_guided.seeds()[name]:
        assert coverage_guided.read(name, seed)


def test_bytes_are_given_in_pieces_of_the_first_ones_size() -> None:
    split = coverage_guided.READ_AS["HTTP response"]
    assert split(b"\2abcde") == [b"ab", b"cd", b"e"]
    assert split(b"\0abcde") == [b"abcde"]
    assert split(b"") == split(b"\3") == []


def test_without_atheris_the_search_is_left_out_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("sys.argv", ["coverage_guided"])
    assert coverage_guided.main() == 0
    assert "atheris is not installed; pip install" in capsys.readouterr().out
