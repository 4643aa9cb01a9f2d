"""Bad input of `autotune compare` and `check`: one clear line, exit code 2, nothing started and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.cli import main
from autotune.environment import capture
from autotune.report import find_format
from autotune.search.comparison import ComparisonResult, Contender, Metric, Sample

CONFIG = 'name: "{name}"\nbackend: "python"\nmax_batch_size: 8\n'
Refuses = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("net", "other"):
        (tmp_path / "models" / name / "1").mkdir(parents=True)
        (tmp_path / "models" / name / "1" / "model.py").write_text("")
        (tmp_path / "models" / name / "config.pbtxt").write_text(CONFIG.format(name=name))
    return tmp_path / "models"


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., str]:
    """Writes the record of a config and returns its path."""

    def write(model: str = "net", cores: int = 0, values: tuple[float, ...] = (100.0, 101.0)) -> str:
        here = capture({}, "")
        here = replace(here, logical_cores=here.logical_cores + cores)
        samples = {number: Sample(value) for number, value in enumerate(values, 1)}
        contender = Contender("repository", {model: CONFIG.format(name=model)}, samples)
        path = tmp_path / "results.json"
        compared = ComparisonResult(model, Metric("concurrency 8"), (contender,), here)
        path.write_text(find_format("json").comparison(compared))
        return str(path)

    return write


@pytest.fixture
def refuses(tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]) -> Refuses:
    def run(command: str, *arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        where = ("--model-repository", str(repository), "--model", "net", "--launch", "embedded")
        assert main([command, *arguments, *where, "--results", str(tmp_path / "results")]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1, captured.err
        assert sorted(tmp_path.rglob("*")) == before
        return captured.err.removeprefix("autotune: ").strip()

    return run


def test_nothing_to_compare(refuses: Refuses) -> None:
    assert refuses("compare", "--p99", "5ms").startswith("CONFIG: nothing is given to compare; name two config files")


def test_the_same_config_twice(refuses: Refuses, repository: Path) -> None:
    path = str(repository / "net" / "config.pbtxt")
    assert refuses("compare", path, path, "--p99", "5ms") == f"CONFIG: {path} is given twice; name each config once"


def test_a_file_that_is_not_there(refuses: Refuses) -> None:
    assert refuses("compare", "a.pbtxt", "--p99", "5ms") == "CONFIG: cannot read a.pbtxt: No such file or directory"


def test_a_config_of_another_model(refuses: Refuses, repository: Path) -> None:
    line = refuses("compare", str(repository / "other" / "config.pbtxt"), "--p99", "5ms")
    assert line.endswith("is of model 'other', not 'net'; name its --model")


def test_a_config_that_cannot_be_parsed_shows_the_line(refuses: Refuses, tmp_path: Path) -> None:
    (tmp_path / "a.pbtxt").write_text("max_batch_size: lots\n")
    assert "a.pbtxt:1" in refuses("compare", str(tmp_path / "a.pbtxt"), "--p99", "5ms")


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ((), "--p99: nothing says what to compare; add --p99 5ms, --concurrency 8 or --rate 500"),
        (("--concurrency", "8", "--rate", "5"), "--rate: give either --concurrency or --rate, not both"),
        (("--concurrency", "8", "--load", "closed"), "--load: closed searches the load; drop it"),
        (("--concurrency", "0"), "--concurrency: 0 is out of range; use 1 to 65535"),
        (("--rate", "-1"), "--rate: -1 is out of range; use a rate above 0"),
        (("--p99", "5ms", "--rounds", "1"), "--rounds: 1 is out of range; use 2 or more"),
        (("--p99", "5"), "--p99: '5' has no unit"),
    ],
)
def test_loads_and_rounds(refuses: Refuses, tmp_path: Path, flags: tuple[str, ...], line: str) -> None:
    (tmp_path / "a.pbtxt").write_text("max_batch_size: 4\n")
    assert refuses("compare", str(tmp_path / "a.pbtxt"), *flags).startswith(line)


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ((), "--baseline: is missing; name a recorded file, or record one with --record FILE"),
        (("--baseline", "none.json"), "--baseline: cannot read none.json: No such file or directory"),
        (("--record", "none/x.json"), "--record: cannot write none/x.json; name a file in a directory that exists"),
        (("--record", "x", "--junit", "/"), "--junit: cannot write /; name a file in a directory that exists"),
        (("--record", "x", "--fail-if-slower", "5"), "--fail-if-slower: '5' is no percentage"),
        (("--record", "x", "--fail-if-slower", "100%"), "--fail-if-slower: '100%' is no percentage"),
    ],
)
def test_options_of_a_check(refuses: Refuses, flags: tuple[str, ...], line: str) -> None:
    assert refuses("check", "--concurrency", "8", *flags).startswith(line)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fastest": "a", "configs": []}', '{"fastest": 1, "configs": 2}'])
def test_a_file_that_is_no_record(refuses: Refuses, tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    line = refuses("check", "--concurrency", "8", "--baseline", str(tmp_path / "results.json"))
    assert line.startswith(f"--baseline: {tmp_path / 'results.json'} is no ")
    assert line.endswith("record one with autotune check --record FILE, or autotune compare --json")


def test_a_record_without_a_measured_config(refuses: Refuses, recorded: Callable[..., str]) -> None:
    path = recorded(values=())
    line = refuses("check", "--concurrency", "8", "--baseline", path)
    assert line.startswith(f"--baseline: no config of {path} was measured")


def test_a_baseline_of_another_machine_is_not_comparable(refuses: Refuses, recorded: Callable[..., str]) -> None:
    line = refuses("check", "--concurrency", "8", "--baseline", recorded(cores=62))
    assert line.startswith("--baseline: was recorded on another machine and is not comparable (CPU cores ")
    assert line.endswith("record one here with autotune check --record FILE")


def test_a_baseline_of_another_model(refuses: Refuses, recorded: Callable[..., str]) -> None:
    path = recorded("other")
    line = refuses("check", "--concurrency", "8", "--baseline", path)
    assert line == f"--baseline: {path} is of model 'other', not 'net'; record one of that model"


def test_a_record_without_unknown_fields_is_what_json_prints(recorded: Callable[..., str]) -> None:
    found = json.loads(Path(recorded()).read_text())
    assert found["fastest"] == "repository"
    assert found["configs"][0]["rounds"] == {"1": 100.0, "2": 101.0}
