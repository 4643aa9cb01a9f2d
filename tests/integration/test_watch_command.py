"""A deployed server is watched: traffic that its config was tuned for, and more than that."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from autotune import tune
from autotune.cli import main
from autotune.drift import Drift, Expectation, Interval
from autotune.load import ConstantRate
from autotune.measurement import Deployment
from autotune.repository import ConfigSet, ModelConfig, ModelRepository
from autotune.server import LaunchOptions, choose_launcher

MODELS = Path(__file__).parents[2] / "model_repository"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_says_when_the_config_falls_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = {"p99": "100ms", "launch": "embedded", "results": tmp_path, "share_machine": True}
    result = tune(MODELS, "iris", trials=1, final_rounds=0, window="300ms", max_concurrency=4, **common)
    assert result.measured is not None
    port = _free_port()
    launcher, _ = choose_launcher(
        "embedded", LaunchOptions(triton_args=("--allow-metrics=true", f"--metrics-port={port}"))
    )
    config = ModelConfig.parse(str(result.config_path.read_text()), "exported")
    watch = ["watch", "--results", str(tmp_path), "--metrics", f"http://127.0.0.1:{port}/metrics", "--interval", "1s"]
    trace = tmp_path / "trace.txt"
    deployment = Deployment(ModelRepository(MODELS).model("iris"), launcher, tmp_path)
    with deployment.serve(ConfigSet.of(config), tmp_path / "deployed.log") as served:
        slow = 0.1 * result.measured.rate_per_s
        offering = threading.Thread(target=served.generator.run, args=(ConstantRate(slow), 4.0, 5.0))
        offering.start()
        code = main([*watch, "--duration", "3s", "--write-trace", str(trace)])
        offering.join()
        seen = capsys.readouterr().out
        assert "inferences/s" in seen
        assert code in (0, 3), seen  # a busy machine may be slower than predicted
        assert "overloaded" not in seen
        assert "predicted" in seen
        assert len(trace.read_text().splitlines()) > 10
        assert main([*watch, "--duration", "1s"]) == 1
        assert "No request arrived." in capsys.readouterr().out


def test_judges_by_what_was_sustained_and_simulated(tmp_path: Path) -> None:
    common = {"p99": "100ms", "launch": "embedded", "results": tmp_path, "share_machine": True}
    result = tune(MODELS, "iris", trials=1, final_rounds=0, window="300ms", max_concurrency=4, **common)
    expectation = Expectation(result)
    rate = 0.2 * expectation.sustained_per_s
    calm = Interval(10.0, round(10 * rate), 0, rate, rate, 1.0, 1e-6, 0.0)
    judged = expectation.judge(calm)
    assert judged.drift is Drift.FITS
    assert judged.expected_s is not None
    assert 0 < judged.expected_s < 0.1
    assert expectation.judge(replace(calm, latency_s=2 * judged.expected_s)).drift is Drift.SLOWER
    assert expectation.judge(replace(calm, latency_s=2 * judged.expected_s, requests=5)).drift is Drift.FITS
    above = 1.1 * expectation.sustained_per_s
    assert expectation.judge(replace(calm, inferences_per_s=above, requests_per_s=above)).drift is Drift.OVERLOADED
