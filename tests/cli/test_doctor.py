"""`autotune doctor` shows what a report on a tuned model begins with."""

import os
import re
from pathlib import Path

import pytest

from autotune.cli import main
from autotune.environment import capture

MODELS = Path(__file__).parents[2] / "model_repository"


def test_it_shows_processor_memory_and_the_repository(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--model-repository", str(MODELS)]) == 0
    out = capsys.readouterr().out
    here = capture({}, "")
    assert f"CPU: {here.cpu_model}" in out
    assert f"vCPU: {os.cpu_count()}, {here.available_cores:g} of them usable" in out
    assert f"RAM: {here.memory_bytes / 2**30:.1f} GiB usable" in out
    assert re.search(r"├── iris\n.*│   ├── 1\n", out)


def test_a_repository_that_is_not_there_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--model-repository", str(tmp_path / "none")]) == 0
    assert f"{tmp_path / 'none'}: No such file or directory" in capsys.readouterr().out
