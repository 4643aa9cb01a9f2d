"""The optimum moves with the device: the search follows what the accelerator's timings make best."""

import shutil
from pathlib import Path

import pytest

import autotune
from autotune.repository import ModelConfig

MODELS = Path(__file__).parents[2] / "model_repository"

SPACE = """
parameters:
  max_batch_size: [16]
  instance_count: [1, 4]
"""


@pytest.mark.parametrize(
    ("timings_ms", "best_instances"),
    [
        # Instances spend the host's part side by side: four carry almost four times one.
        pytest.param({"host_ms": 10, "device_fixed_ms": 0.2, "device_per_item_ms": 0.02}, 4, id="host-bound"),
        # One device: four instances only queue small batches in front of it, and break the ceiling sooner.
        pytest.param({"host_ms": 0.1, "device_fixed_ms": 10, "device_per_item_ms": 0.02}, 1, id="device-bound"),
    ],
)
def test_the_best_instance_count_follows_the_timings(
    timings_ms: dict[str, float], best_instances: int, tmp_path: Path
) -> None:
    model = tmp_path / "models" / "accelerator"
    shutil.copytree(MODELS / "accelerator", model, ignore=shutil.ignore_patterns("__pycache__"))
    config = ModelConfig.parse((model / "config.pbtxt").read_text(), "config.pbtxt")
    for name, value in timings_ms.items():
        config = config.with_value(f"parameters.{name}", value)
    (model / "config.pbtxt").write_text(config.to_text())
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)

    result = autotune.tune(
        model.parent,
        p99="32ms",
        search_space=space,
        sampler="grid",
        launch="embedded",
        window="300ms",
        final_rounds=0,
        results=tmp_path / "results",
    )

    rates = {
        trial.outcome.candidate["instance_count"]: trial.outcome.measurement.rate_per_s
        for trial in result.trials
        if trial.outcome.candidate is not None and trial.outcome.measurement is not None
    }
    assert max(rates, key=lambda count: rates[count]) == best_instances
    assert max(rates.values()) > 1.3 * min(rates.values())
    assert result.best is not None
    assert result.best.outcome.candidate is not None
    assert result.best.outcome.candidate["instance_count"] == best_instances
