"""The tables of the benchmarks' README, and of the comparison with other tools, are those of the recorded runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.tables import (
    COMPARISON,
    README,
    Figure,
    comparison_tables,
    readme_tables,
    recorded_runs,
    with_tables,
)

ROOT = README.parents[1]


def test_the_readme_shows_the_recorded_runs() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text, readme_tables(recorded_runs())) == text, "run `python -m benchmarks.tables`"


def test_the_comparison_shows_the_recorded_runs() -> None:
    text = COMPARISON.read_text(encoding="utf-8")
    assert with_tables(text, comparison_tables(recorded_runs())) == text, "run `python -m benchmarks.tables`"


def test_every_recorded_run_is_of_a_script_that_exists() -> None:
    for run in recorded_runs():
        _, *words = run.command.split()
        script = words[1].replace(".", "/") if words[0] == "-m" else words[0].removesuffix(".py")
        assert (ROOT / f"{script}.py").exists() or (ROOT / script / "__main__.py").exists(), run.name


@pytest.mark.parametrize(
    ("figure", "shown"),
    [
        (Figure("ratio", 1.0, "times", at_least=1.0), "ratio: 1.0 times (at least 1.0 times)"),
        (Figure("ratio", 0.99, "times", at_least=1.0), "ratio: 0.99 times (at least 1.0 times), **missed**"),
        (Figure("time", 4.1, "s", at_most=4), "time: 4.1 s (at most 4 s), **missed**"),
        (Figure("share", 53, "%"), "share: 53%"),
    ],
)
def test_a_figure_says_whether_it_misses_its_target(figure: Figure, shown: str) -> None:
    assert str(figure) == shown


def test_a_changed_figure_makes_the_readme_stale(tmp_path: Path) -> None:
    for run in (README.parent / "results").glob("*.json"):
        document = json.loads(run.read_text(encoding="utf-8"))
        if isinstance(document.get("figures"), list):
            document["figures"][0]["value"] += 1
        (tmp_path / run.name).write_text(json.dumps(document), encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    assert with_tables(text, readme_tables(recorded_runs(tmp_path))) != text


def test_a_file_of_other_data_stands_in_no_table(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('{"rows": []}', encoding="utf-8")
    assert recorded_runs(tmp_path) == []
