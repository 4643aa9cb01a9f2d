"""What a run draws on a terminal, and what it writes where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from documented_studies import failed, outcome
from rich.cells import cell_len
from terminal import drawn, lines

from autotune.cli import main
from autotune.cli._live_view import LiveView

MODELS = Path(__file__).parents[2] / "model_repository"
# A study of trials that are pretended, followed as `autotune run` does.
STUDY = """
import sys, time
from dataclasses import replace
from pathlib import Path
from documented_studies import failed, outcome
from pretended_studies import plan
from autotune.cli._progress import Follow, follow
from autotune.environment import capture
from autotune.search import Coordinator
from autotune.store import Store, database_url

class Executor:
    def execute(self, trial, watch):
        watch.on_ready(0.1)
        ended = failed() if trial.number == 3 else outcome(4000.0 + 50 * trial.number)
        for probe in ended.measurement.probes if ended.measurement else ():
            watch.on_probe(probe)
        time.sleep(0.6 if trial.number == 4 else 0)
        return replace(ended, candidate=trial.candidate, configs=trial.configs.texts())

directory = Path(sys.argv[1])
store = Store.open(database_url(directory))
with follow(Follow[sys.argv[2]]) as observer:
    Coordinator(plan(directory, trials=5), store, Executor(), capture({}, "digest"), observer).run()
"""


def script(tmp_path: Path, how: str) -> list[str]:
    fakes = str(Path(__file__).parents[1] / "fakes")
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {fakes!r})\n{STUDY}", str(tmp_path), how]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_live_view_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    status, written = drawn(script(tmp_path, "LIVE"), columns)
    seen = lines(written)
    assert status == 0
    live = [line for line in seen if not line.startswith(("trial   ", "resuming"))]  # finished trials wrap
    assert max(map(cell_len, live)) <= columns
    assert any(line.startswith("trial 4 (") for line in seen)
    assert any(line.startswith("  [=") and " 4 of 5, 0:0" in line for line in seen)
    assert "  incumbent: trial 4, 4,200 inferences/s, p99 4.5ms, 10% below the ceiling" in seen
    assert any(line.startswith("  history: ") and "x" in line for line in seen)
    assert written.endswith("\x1b[?25h") or "\x1b[?25h" in written  # the cursor is there again


def test_without_a_live_view_only_lines_are_written(tmp_path: Path) -> None:
    status, written = drawn(script(tmp_path, "PLAIN"), 80)
    assert status == 0
    assert [line.split()[1] for line in lines(written) if line.startswith("trial ")] == ["0", "1", "2", "3", "4"]
    assert "incumbent" not in written
    assert "\x1b[2K" not in written  # nothing is drawn over


def test_where_there_is_no_terminal_only_lines_are_written(tmp_path: Path) -> None:
    ended = subprocess.run(script(tmp_path, "LIVE"), capture_output=True, text=True, timeout=60, check=True)
    assert len([line for line in ended.stderr.splitlines() if line.startswith("trial ")]) == 5
    assert "incumbent" not in ended.stderr
    assert "\x1b" not in ended.stderr


def test_quiet_writes_nothing(tmp_path: Path) -> None:
    status, written = drawn(script(tmp_path, "QUIET"), 80)
    assert (status, written) == (0, "")


def test_as_json_each_line_is_an_event(tmp_path: Path) -> None:
    ended = subprocess.run(script(tmp_path, "JSON"), capture_output=True, text=True, timeout=60, check=True)
    events = [json.loads(line) for line in ended.stderr.splitlines()]
    finished = [each for each in events if each["event"] == "trial finished"]
    assert [each["trial"] for each in finished] == [0, 1, 2, 3, 4]
    assert [each["outcome"] for each in finished][3:] == ["failed to load", "feasible"]
    assert finished[4]["rate_per_s"] == 4200.0
    assert finished[4]["best"] is True
    windows = [each for each in events if each["event"] == "window" and each["trial"] == 4]
    assert [each["verdict"] for each in windows] == ["holds", "holds", "fails"]
    assert all(each["time"].endswith("+00:00") for each in events)


def test_the_history_has_a_bar_for_each_trial() -> None:
    view = LiveView()
    for number, each in enumerate((outcome(100.0), outcome(800.0), failed())):
        view.finished(number, each, best=False)
    assert view.history(80) == "▂█x"
    assert view.history(2) == "█x"


def test_time_left_is_counted_down() -> None:
    now = [0.0]
    view = LiveView(wanted=4, clock=lambda: now[0])
    view.estimated(80.0)
    now[0] = 65.0
    assert view.progress() == f"[{' ' * 20}] 0 of 4, 1:05 elapsed, at most 15 s left"


def test_two_ways_of_showing_progress_are_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--model-repository", str(MODELS), "--model", "accelerator", "--results", str(tmp_path / "none")]
    assert main(["run", *where, "--p99", "5ms", "--quiet", "--log-json"]) == 2
    assert "--quiet: given with --log-json; use one of them" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
