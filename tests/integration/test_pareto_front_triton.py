"""Several objectives on the embedded Triton: a multi-objective Optuna study and the Pareto front."""

import json
from pathlib import Path

import optuna
import pytest
from tiny_models import write_heavy

from autotune.cli import main
from autotune.report.dashboard._storage import ShownStorage
from autotune.store import Store


def test_the_front_holds_the_fast_and_the_small_config_and_each_can_be_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three instances sustain three times as much in three times the memory: neither config beats the other."""
    write_heavy(tmp_path / "models", "net", seconds=0.01, mib=100)
    space = tmp_path / "space.yaml"
    space.write_text("parameters:\n  instance_count: [1, 3]\n")
    results = tmp_path / "r"
    where = ("--model-repository", str(tmp_path / "models"), "--launch", "embedded", "--results", str(results))
    short = ("--window", "200ms", "--final-rounds", "1", "--share-machine", "--study", "both", "--certify-time", "2s")
    search = ("--model", "net", "--search-space", str(space), "--trials", "2", "--ceiling", "p50=100ms")
    assert main(["run", *where, *short, *search, "--objective", "throughput,p50,memory", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    one, three = (each["number"] for each in result["trials"])
    fast, small = result["front"]
    assert (fast["trial"], small["trial"]) == (three, one)
    assert fast["values"]["throughput"] > 1.5 * small["values"]["throughput"]
    assert fast["values"]["memory"] > 1.5 * small["values"]["memory"]
    assert 0.01 < small["values"]["p50"] < 0.1  # of one request at a time
    assert result["best"]["number"] == result["finals"]["winner"] == three

    store = Store.open_existing(f"sqlite:///{results / 'autotune.db'}")
    study = optuna.load_study(study_name="both", storage=store.optuna_storage())
    assert [each.name for each in study.directions] == ["MAXIMIZE", "MINIMIZE", "MINIMIZE"]
    assert {trial.number for trial in study.best_trials} == {one, three}
    shown = optuna.load_study(study_name="both", storage=ShownStorage(store, results))
    assert [len(trial.values) for trial in shown.best_trials] == [3, 3]

    texts = []
    for number in (one, three):
        assert main(["export", "both", "--results", str(results), "--trial", str(number), "--output", "-"]) == 0
        texts.append(capsys.readouterr().out)
    assert ["count: 1" in text for text in texts] == [True, False]
    assert Path(result["config_path"]).read_text() == texts[1]
    for name in ("both.html", "both.md"):
        assert main(["report", "both", "--results", str(results), "--output", str(tmp_path / name)]) == 0
        assert "inferences/s against memory" in (tmp_path / name).read_text()
    assert main(["studies", "show", "both", "--results", str(results)]) == 0
    assert "Pareto front of 2 configs: the one with the highest throughput is delivered" in capsys.readouterr().out
