"""--max-memory on the embedded Triton: a config whose server uses more is infeasible."""

import json
from pathlib import Path

import pytest
from tiny_models import write_heavy

from autotune.cli import main


def run(tmp_path: Path, limit: str, trials: str) -> int:
    write_heavy(tmp_path / "models", "heavy", mib=150)
    space = tmp_path / "space.yaml"
    space.write_text("parameters:\n  instance_count: [1, 3]\n")
    where = ("--model-repository", str(tmp_path / "models"), "--launch", "embedded", "--results", str(tmp_path / "r"))
    short = ("--window", "100ms", "--final-rounds", "0", "--sampler", "grid", "--share-machine", "--json")
    search = ("--model", "heavy", "--ceiling", "p50=200ms", "--search-space", str(space), "--trials", trials)
    return main(["run", *where, *short, *search, "--max-memory", limit])


def test_instances_that_need_more_memory_than_allowed_are_infeasible(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each instance of a Python model is a process with its own 150 MiB."""
    assert run(tmp_path, "420m", "2") == 0
    result = json.loads(capsys.readouterr().out)
    one, three = result["trials"]
    assert result["best"]["number"] == one["number"] == 0
    assert one["violations"]["memory <= 420m"] < 0
    assert three["outcome"] == "infeasible"
    assert three["violations"]["memory <= 420m"] > 0
    assert "memory <= 420m" in Path(result["config_path"]).read_text().splitlines()[0]


def test_a_limit_below_the_baselines_own_need_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "100m", "1") == 3
    assert "the baseline itself violates memory <= 100m" in capsys.readouterr().err
