"""--objective memory on the embedded Triton: the least memory that sustains a rate within the ceilings."""

import json
from pathlib import Path

import optuna
import pytest
from tiny_models import write_heavy

from autotune.cli import main

MIB = 1 << 20


def test_the_fewest_bytes_that_sustain_the_rate_are_delivered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each instance has 100 MiB of its own and completes 50 requests/s at most: two sustain 70/s, one does not."""
    write_heavy(tmp_path / "models", "heavy", seconds=0.02, mib=100, instances=4)
    space = tmp_path / "space.yaml"
    space.write_text("parameters:\n  instance_count: [1, 2, 4]\n")
    where = ("--model-repository", str(tmp_path / "models"), "--launch", "embedded", "--results", str(tmp_path / "r"))
    short = ("--window", "200ms", "--final-rounds", "1", "--sampler", "grid", "--share-machine", "--study", "least")
    short += ("--certify-time", "2s")
    search = ("--model", "heavy", "--search-space", str(space), "--trials", "3", "--ceiling", "p50=300ms")
    assert main(["run", *where, *short, *search, "--objective", "memory", "--rate", "70", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    four, one, two = result["trials"]
    assert one["outcome"] == "infeasible"
    assert one["violations"]["rate"] > 0
    assert four["outcome"] == two["outcome"] == "feasible"
    assert four["value"] - two["value"] > 150 * MIB
    assert result["finals"]["winner"] == result["best"]["number"] == two["number"]
    assert result["gain"] < 0.8  # of the baseline's memory
    first = Path(result["config_path"]).read_text().splitlines()[0]
    assert first == "# heavy: lowest memory at 70 inferences/s with p50 <= 300ms"

    (stored,) = optuna.get_all_study_summaries(f"sqlite:///{tmp_path / 'r' / 'autotune.db'}")
    assert stored.best_trial is not None
    assert stored.best_trial.number == two["number"]
    assert main(["report", "least", "--results", str(tmp_path / "r"), "--output", str(tmp_path / "r.html")]) == 0
    assert "memory in MiB" in (tmp_path / "r.html").read_text()
