"""Two models on one server that share an emulated device, on a real Triton."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import autotune
from autotune.api import export, find_study
from autotune.load import Traffic
from autotune.measurement import Deployment, MeasureOptions
from autotune.measurement._prober import Prober
from autotune.measurement._sizes import sweep_sizes
from autotune.objective import Ceiling, Objective
from autotune.report import FORMATS
from autotune.repository import ConfigSet, ModelRepository
from autotune.server import EmbeddedLauncher

ACCELERATOR = Path(__file__).parents[2] / "model_repository" / "accelerator"


def _model(repository: Path, name: str, fixed_ms: str, output: str = "output") -> None:
    """A model of the shared device; its output has a name of its own, so that answers cannot be mixed up."""
    shutil.copytree(ACCELERATOR, repository / name)
    config = (repository / name / "config.pbtxt").read_text().replace('name: "accelerator"', f'name: "{name}"')
    fixed = '"device_fixed_ms" value: { string_value: "'
    config = config.replace(fixed + '2"', f'{fixed}{fixed_ms}"')
    config = config.replace('name: "output"', f'name: "{output}"')
    config += 'parameters { key: "device" value: { string_value: "both" } }\n'
    (repository / name / "config.pbtxt").write_text(config)
    code = repository / name / "1" / "model.py"
    code.write_text(code.read_text().replace('pb_utils.Tensor("output"', f'pb_utils.Tensor("{output}"'))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    _model(tmp_path / "models", "fast", "1")
    _model(tmp_path / "models", "slow", "6", output="answer")
    return tmp_path / "models"


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_each_model_gets_its_share_and_its_own_latencies(repository: Path, tmp_path: Path, protocol: str) -> None:
    """By Triton's statistics of each model, which count what it answered."""
    result = autotune.measure(
        repository,
        models="fast=3,slow=1",
        p99="fast=1us,slow=10s",
        rate=100,
        duration="1s",
        protocol=protocol,
        launch="embedded",
        share_machine=True,
        results=tmp_path / "results",
    )
    (probe,) = result.probes
    assert probe.errors == {}
    fast, slow = probe.streams
    assert (fast.stream.model, slow.stream.model) == ("fast", "slow")
    assert fast.requests + slow.requests == probe.requests
    assert (fast.server.success_count, slow.server.success_count) == (fast.requests, slow.requests)
    assert slow.requests / probe.requests == pytest.approx(0.25, abs=0.15)
    assert probe.latency_s["p50 of slow"] > 0.006
    assert not probe.holds  # fast's ceiling is violated, slow's is met
    late = {each.ceiling: (each.late, each.requests) for each in probe.evidence}
    assert late == {"p99 of fast <= 1us": (fast.requests, fast.requests), "p99 of slow <= 10s": (0, slow.requests)}
    assert np.isnan([value for name, value in probe.latency_s.items()]).sum() == 0


def test_models_are_tuned_together_and_exported_together(repository: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("parameters: {max_batch_size: 32, instance_count: 2}\n")
    result = autotune.tune(
        repository,
        models="fast,slow",
        p90="fast=50ms,slow=80ms",
        search_space=space,
        trials=2,
        final_rounds=0,
        window="200ms",
        min_gain=0.0,
        launch="embedded",
        share_machine=True,
        results=tmp_path / "results",
    )
    assert result.models == ("fast", "slow")
    (trial,) = (each for each in result.trials if each.number == 1)
    assert trial.outcome.candidate is not None
    assert {"fast/instance_count", "slow/instance_count"} <= trial.outcome.candidate.as_dict().keys()
    assert list(trial.outcome.configs) == ["fast", "slow"]
    measured = trial.outcome.measurement
    assert measured is not None
    assert measured.decided_by is not None
    limits = {each.ceiling for each in measured.decided_by.evidence}
    assert limits == {"p90 of fast <= 50ms", "p90 of slow <= 80ms"}
    text, _ = export(result.study, trial=1, results=tmp_path / "results", output="-")
    assert "# fast: highest throughput shared as fast=1, slow=1" in text
    assert "# slow: highest throughput shared as fast=1, slow=1" in text
    assert "p90 of slow" in text
    shown = FORMATS["text"].study(find_study(result.study, results=tmp_path / "results"))
    assert "p90 of slow" in shown


def test_windows_of_sizes_ask_each_model_up_to_its_own_largest_batch(repository: Path, tmp_path: Path) -> None:
    """One request at a time, so that these show what executions take that no other model slows."""
    path = repository / "slow" / "config.pbtxt"
    path.write_text(path.read_text().replace("max_batch_size: 8", "max_batch_size: 4"))
    found = ModelRepository(repository)
    specs = [found.model(name) for name in ("fast", "slow")]
    shares = {"fast": 0.75, "slow": 0.25}
    traffics = {each.name: Traffic() for each in specs}
    ceilings = (Ceiling("p99", 1.0, "fast"), Ceiling("p99", 1.0, "slow"))
    objective = Objective("throughput", ceilings, weights=tuple(shares.items()))
    deployment = Deployment(
        specs[0], EmbeddedLauncher(), tmp_path, Traffic(), specs[1:], shares=shares, traffics=traffics
    )
    with deployment.serve(ConfigSet.of(*(each.config for each in specs)), tmp_path / "log") as served:
        assert served.sized is not None
        prober = Prober(served.server, served.generator, objective, MeasureOptions.of(0.2))
        prober.closed_loop("screen", 1, 0.2)
        sweep_sizes(prober, served.sized)
    probe = next(each for each in prober.probes if each.purpose == "sizes")
    largest = {each.stream.model: max(each.server.batch_executions) for each in probe.streams}
    assert largest == {"fast": 8, "slow": 4}
    assert probe.errors == {}
