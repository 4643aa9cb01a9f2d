"""The search spaces that come along: a config of each is served by a real Triton, or refused without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
from sequence_models import write_sums
from tiny_models import onnx_config, write_double, write_ensemble, write_onnx

from autotune.cli import main
from autotune.environment import may_have_gpu
from autotune.load import ClosedLoop, Traffic
from autotune.measurement import Deployment
from autotune.repository import ConfigSet, ModelRepository
from autotune.server import LaunchOptions, choose_launcher
from autotune.space import JointSpace, SearchSpace

SPACES = Path(__file__).parents[2] / "search_spaces"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    models = tmp_path / "models"
    write_double(models)
    write_onnx(models, "negate", onnx_config(), operator="Neg")
    write_sums(models)
    write_ensemble(models, "both", ("double", "negate"))
    return models


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("onnxruntime_cpu", "negate"),
        ("python", "double"),
        ("ensemble", "both"),
        ("sequence", "sums"),
        ("server_flags", "double"),
    ],
)
def test_a_config_of_the_space_is_served_as_asked_and_answers(
    repository: Path, tmp_path: Path, name: str, model: str
) -> None:
    """The config with the last value of each parameter, which sets every field of the space, and two instances."""
    found = ModelRepository(repository)
    spec = found.model(model)
    composing = found.composing_models(spec, ())
    space, _ = JointSpace.of(SearchSpace.load(SPACES / f"{name}.yaml"), (spec, *composing))
    values = {
        key: getattr(each, "high", None) or each.choices[-1]  # type: ignore[attr-defined]
        for key, each in space.distributions().items()
    }
    values |= {key: 2 for key in values if key.endswith("instance_count")}
    values |= {key: True for key in values if key.endswith("dynamic_batching")}
    last = space.canonical(values)
    configs = space.apply(last, ConfigSet.of(*(each.config for each in (spec, *composing))))
    launcher, _ = choose_launcher("embedded", LaunchOptions())
    with Deployment(spec, launcher, tmp_path, Traffic(), composing).serve(configs, tmp_path / "log.txt") as served:
        assert [each for each in served.configs.differences if not each.completes] == []
        assert served.server.pid is not None
        started_with = Path(f"/proc/{served.server.pid}/cmdline").read_text().split("\0")
        assert ("--http-thread-count=32" in started_with) == (name == "server_flags")
        result = served.generator.run(ClosedLoop(4), 0.2, 5.0)
    assert result.requests >= 4
    assert result.failed == 0


@pytest.mark.skipif(may_have_gpu(), reason="there is a GPU")
@pytest.mark.parametrize("name", ["onnxruntime_gpu", "tensorrt"])
def test_a_space_for_gpus_is_refused_before_anything_starts(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    where = ("--model-repository", str(repository), "--launch", "embedded", "--results", str(tmp_path / "results"))
    space = ("--search-space", str(SPACES / f"{name}.yaml"))
    assert main(["run", "--model", "negate", "--p99", "5ms", *where, *space]) == 2
    error = capsys.readouterr().err
    assert error.startswith("autotune: --search-space: its instance_kind is KIND_GPU, but no GPU was found with")
    assert error.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--http-port: [8000, 8001]", "--search-space: server: '--http-port' is set by autotune"),
        ("http-thread-count: [2, 4]", ":2: server: 'http-thread-count' is no argument of tritonserver"),
    ],
)
def test_an_argument_that_cannot_be_searched_is_refused_before_anything_starts(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    (tmp_path / "space.yaml").write_text(f"server:\n  {line}\n")
    where = ("--model-repository", str(repository), "--launch", "embedded", "--results", str(tmp_path / "results"))
    assert (
        main(["run", "--model", "negate", "--p99", "5ms", *where, "--search-space", str(tmp_path / "space.yaml")]) == 2
    )
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "results").exists()
