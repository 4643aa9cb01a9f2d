"""--objective goodput and --within on the embedded Triton, at a rate that one instance misses."""

import json
from pathlib import Path

import pytest
from tiny_models import write_heavy

from autotune.cli import main


def test_answers_in_time_count_and_fewer_instances_near_the_best_are_delivered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An instance completes 100 requests/s at most: at 130/s the queue grows, and what waits is late."""
    write_heavy(tmp_path / "models", "slow", seconds=0.01)
    space = tmp_path / "space.yaml"
    space.write_text("parameters:\n  instance_count: [1, 3]\n")
    where = ("--model-repository", str(tmp_path / "models"), "--launch", "embedded", "--results", str(tmp_path / "r"))
    short = ("--window", "200ms", "--final-rounds", "1", "--within", "95%", "--share-machine", "--json")
    search = ("--model", "slow", "--search-space", str(space), "--trials", "2")
    assert main(["run", *where, *short, *search, "--objective", "goodput", "--goodput", "60ms", "--rate", "130"]) == 0
    result = json.loads(capsys.readouterr().out)
    one, three = result["trials"]
    assert one["outcome"] == three["outcome"] == "feasible"
    assert 1.3 * one["value"] < three["value"] <= 130
    assert result["finals"]["winner"] == one["number"]  # fewer instances within 95% of the best
    first = Path(result["config_path"]).read_text().splitlines()[0]
    assert first == "# slow: highest goodput (answers within 60ms) at 130 inferences/s, fewest instances within 95%"
