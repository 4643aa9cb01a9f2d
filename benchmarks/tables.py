"""Writes the tables of `benchmarks/README.md` and `docs/comparison.md` from the runs in `benchmarks/results/`.

    python -m benchmarks.tables            writes the tables between their markers
    python -m benchmarks.tables --check    writes nothing; exit code 1 if a table is stale

A run is a JSON file with `question`, `command`, `date`, `commit`, `machine` and `figures`. A figure has a `name` and a
`value`, and where it applies a `unit` and a target (`at_least` or `at_most`). Files without a list of figures are data
of other scripts and stand in no table.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parent / "README.md"
COMPARISON = README.parents[1] / "docs" / "comparison.md"
RESULTS = Path(__file__).parent / "results"

COMPARED = {
    "model_analyzer": (
        "model_analyzer_accelerator",
        "model_analyzer_caller",
        "model_analyzer_curves",
        "model_analyzer_mnist",
        "model_analyzer_pipeline",
    ),
    "perf_analyzer": ("perf_analyzer_agreement", "perf_analyzer_agreement_slow", "perf_analyzer_throughput"),
}
"""The runs of each table of `docs/comparison.md`."""


@dataclass(frozen=True)
class Figure:
    """One figure of a run.

    Attributes:
        name: What was measured.
        value: The figure.
        unit: What follows it, such as ``times``, ``%``, ``of 50``.
        at_least: Its target from below; None without one.
        at_most: Its target from above; None without one.
    """

    name: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        """The target in words; empty without one."""
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return ", ".join(f"{words} {self._shown(bound)}" for words, bound in bounds if bound is not None)

    @property
    def missed(self) -> bool:
        """Whether it has a target that it does not meet."""
        below = self.at_least is not None and self.value < self.at_least
        above = self.at_most is not None and self.value > self.at_most
        return below or above

    def __str__(self) -> str:
        """The value with its unit, and its target."""
        target = f" ({self.target})" if self.target else ""
        return f"{self.name}: {self._shown(self.value)}{target}{', **missed**' if self.missed else ''}"

    def _shown(self, value: float) -> str:
        blank = "" if self.unit in ("", "%") else " "
        return f"{value:,}{blank}{self.unit}"


@dataclass(frozen=True)
class Run:
    """One recorded run of a benchmark script.

    Attributes:
        name: The name of its file.
        question: What it answers.
        command: How it is run again.
        date: The day, ``YYYY-MM-DD``.
        commit: The code that was measured.
        machine: What it ran on.
        figures: What it found.
    """

    name: str
    question: str
    command: str
    date: str
    commit: str
    machine: str
    figures: tuple[Figure, ...]


def recorded_runs(folder: Path = RESULTS) -> list[Run]:
    """The runs of a folder by name; files that hold no list of figures are left out."""
    documents = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    return [
        Run(name, **{**document, "figures": tuple(Figure(**figure) for figure in document["figures"])})
        for name, document in documents.items()
        if isinstance(document, dict) and isinstance(document.get("figures"), list)
    ]


def table(runs: list[Run], folder: str = "") -> list[str]:
    """A row for each run: its figures below each other, and how, when, of which code and on what it was made.

    Args:
        runs: The runs.
        folder: Where their files are, as the page links to them; none is linked to without it.
    """
    rows = ["| question | figures | run |", "|---|---|---|"]
    for run in runs:
        question = f"[{run.question}]({folder}/{run.name}.json)" if folder else run.question
        figures = "<br>".join(map(str, run.figures))
        rows.append(f"| {question} | {figures} | `{run.command}`<br>{run.date}, {run.commit}, {run.machine} |")
    return rows


def readme_tables(runs: list[Run]) -> dict[str, list[str]]:
    """The tables of `benchmarks/README.md` by the names of their markers."""
    return {"figures": table(runs, "results")}


def comparison_tables(runs: list[Run]) -> dict[str, list[str]]:
    """The tables of `docs/comparison.md` by the names of their markers."""
    return {name: table([run for run in runs if run.name in wanted]) for name, wanted in COMPARED.items()}


def with_tables(text: str, tables: dict[str, list[str]]) -> str:
    """The text with the table between each pair of markers written anew.

    Raises:
        ValueError: A table has no markers in the text.
    """
    for name, table in tables.items():
        begin, end = f"<!-- {name}: python -m benchmarks.tables -->", f"<!-- end of {name} -->"
        between = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
        found = between.search(text)
        if found is None:
            raise ValueError(f"no table is marked by {begin!r} and {end!r}")
        text = text[: found.start()] + "\n".join([begin, *table, end]) + text[found.end() :]
    return text


def main() -> None:
    """Writes the tables, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a table is stale")
    arguments = parser.parse_args()
    runs = recorded_runs()
    for page, tables in ((README, readme_tables(runs)), (COMPARISON, comparison_tables(runs))):
        before = page.read_text(encoding="utf-8")
        after = with_tables(before, tables)
        if not arguments.check:
            page.write_text(after, encoding="utf-8")
        elif after != before:
            sys.exit(f"{page}: a table is stale; run `python -m benchmarks.tables`")


if __name__ == "__main__":
    main()
