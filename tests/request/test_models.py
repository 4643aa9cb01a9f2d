"""Several models in one request: weights, a ceiling each, and what is refused before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.cli import main
from autotune.objective import Ceiling
from autotune.request import RunRequest

PLAIN = (
    'backend: "python" max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }'
    ' output { name: "y" data_type: TYPE_FP32 dims: [ -1 ] }'
)
STEP = 'step { model_name: "a" model_version: -1 input_map { key: "x" value: "x" } output_map { key: "y" value: "y" } }'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    configs = {
        "a": PLAIN,
        "b": PLAIN,
        "chain": PLAIN.replace('backend: "python"', 'platform: "ensemble"') + f" ensemble_scheduling {{ {STEP} }}",
        "sequences": PLAIN + " sequence_batching { }",
        "stream": PLAIN + " model_transaction_policy { decoupled: true }",
    }
    for name, config in configs.items():
        (tmp_path / "models" / name / "1").mkdir(parents=True)
        (tmp_path / "models" / name / "1" / "model.py").touch()
        (tmp_path / "models" / name / "config.pbtxt").write_text(config)
    return tmp_path / "models"


@pytest.fixture
def refuses(repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line that a command complains with; it must leave nothing behind."""

    def run(command: str, *arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        results = str(tmp_path / "results")
        code = main([command, "--model-repository", str(repository), "--results", results, *arguments])
        captured = capsys.readouterr()
        assert code == 2, captured
        assert captured.err.count("\n") == 1, captured.err
        assert sorted(tmp_path.rglob("*")) == before
        return captured.err.removeprefix("autotune: ").strip()

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--models", "a,c", "--p99", "5ms"), ("--models: no model 'c'", "it holds a, b")),
        (("--models", "a=0,b=1", "--p99", "5ms"), ("--models: the weight '0' of 'a' is not a number above zero",)),
        (("--models", "a=-1,b", "--p99", "5ms"), ("--models: the weight '-1' of 'a'",)),
        (("--models", "a=inf,b", "--p99", "5ms"), ("--models: the weight 'inf' of 'a'",)),
        (("--models", "a=x,b", "--p99", "5ms"), ("--models: the weight 'x' of 'a'",)),
        (("--models", "a=,b", "--p99", "5ms"), ("--models: the weight '' of 'a'",)),
        (("--models", "a,a", "--p99", "5ms"), ("--models: 'a' is given twice",)),
        (("--models", "a,,b", "--p99", "5ms"), ("lacks a name",)),
        (("--models", "a", "--p99", "5ms"), ("use --model a",)),
        (("--models", "a,b", "--p99", "a=5ms,c=20ms"), ("--p99: 'c' is not among --models (a, b)",)),
        (("--models", "a,b", "--p99", "a=5ms"), ("'b' has no ceiling", "--p99 b=5ms")),
        (("--models", "a,b", "--p99", "a=5ms,20ms"), ("--p99: '20ms' names no model",)),
        (("--models", "a,b", "--avg", "a=5ms,a=6ms,b=1s"), ("--avg: 'a' is given twice",)),
        (("--models", "a,b", "--p99", "a=5,b=20ms"), ("--p99: '5' has no unit",)),
        (("--model", "a", "--p99", "a=5ms"), ("--p99: 'a=5ms' names a model, which needs --models",)),
        (("--models", "a,b", "--p99", "5ms", "--model", "a"), ("--model: goes with one model",)),
        (("--models", "a,chain", "--p99", "5ms"), ("'chain' is an ensemble", "--model chain")),
        (("--models", "a,sequences", "--p99", "5ms"), ("'sequences' has sequence_batching",)),
        (("--models", "a,stream", "--p99", "5ms"), ("'stream' is decoupled",)),
        (("--models", "a,b", "--p99", "5ms", "--load", "closed"), ("--load: a closed loop has no rate to share",)),
        (("--models", "a,b", "--p99", "5ms", "--composing-models", "b"), ("--composing-models: goes with one",)),
        (("--models", "a,b", "--ttfr-p99", "5ms"), ("--ttfr-p99: goes with one model",)),
        (("--model", "a", "--ttfr-p99", "5ms"), ("--ttfr-p99: first-response-p99 needs a stream", "or limit p99")),
        (("--model", "a", "--ttfr-p99", "5"), ("--ttfr-p99: '5' has no unit",)),
        (("--models", "a,b", "--p99", "5ms", "--streaming"), ("--streaming: goes with one model",)),
        (("--models", "a,b", "--p99", "5ms", "--shared-memory", "system"), ("--shared-memory: goes with one",)),
        (("--models", "a,b", "--p99", "5ms", "--client", "perf_analyzer"), ("--client: perf_analyzer sends to one",)),
        (("--models", "a,b", "--p99", "5ms", "--input-data", "x.json"), ("for which model", "a=x.json")),
        (("--models", "a,b", "--p99", "5ms", "--input-data", "c=x.json"), ("--input-data: 'c' of 'c=x.json' is not",)),
        (("--models", "a,b", "--p99", "5ms", "--shape", "x:4"), ("--shape: 'x:4' does not say for which model",)),
        (("--models", "a,b", "--p99", "5ms", "--shape", "a=x:4"), ("input 'x' has a dynamic", "model 'b'")),
    ],
)
@pytest.mark.parametrize("command", ["run", "measure"])
def test_bad_input_is_one_line(
    refuses: Callable[..., str], command: str, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    line = refuses(command, *arguments)
    for each in words:
        assert each in line


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("run", ("--objective", "latency", "--rate", "100"), "--objective: latency goes with one model"),
        ("measure", ("--concurrency", "4"), "--concurrency: goes with one model"),
        ("measure", ("--scenario", "online"), "--scenario: goes with one model"),
        ("measure", ("--model-config", "x.pbtxt"), "--model-config: goes with one model"),
        ("compare", ("x.pbtxt", "y.pbtxt"), "--models"),
    ],
)
def test_options_of_one_model_are_refused(
    refuses: Callable[..., str], command: str, arguments: tuple[str, ...], words: str
) -> None:
    assert words in refuses(command, "--models", "a,b", "--p99", "5ms", *arguments)


def test_each_model_has_its_weight_and_its_ceilings() -> None:
    goal = RunRequest(models="a=2,b", p99="a=5ms,b=20ms", avg="3ms").goal()
    assert goal.weights == (("a", 2.0), ("b", 1.0))
    assert goal.shares == {"a": pytest.approx(2 / 3), "b": pytest.approx(1 / 3)}
    assert goal.ceilings == (
        Ceiling("p99", 0.005, "a"),
        Ceiling("avg", 0.003, "a"),
        Ceiling("p99", 0.02, "b"),
        Ceiling("avg", 0.003, "b"),
    )


def test_input_data_and_shapes_go_to_their_model() -> None:
    request = RunRequest(models="a,b", input_data=("zero", "b=some.json"), shape=("a=x:4", "b=x:8"))
    assert (request.of_model("a").input_data, request.of_model("a").shape) == (("zero",), ("x:4",))
    assert (request.of_model("b").input_data, request.of_model("b").shape) == (("some.json",), ("x:8",))
