"""Bad input: one clear line, exit code 2, nothing started and nothing written."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.cli import main

ONE_MODEL = 'name: "{name}"\nbackend: "python"\nmax_batch_size: 8\n'


def _model(repository: Path, name: str = "net", config: str | None = ONE_MODEL) -> Path:
    version = repository / name / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text("")
    if config is not None:
        (repository / name / "config.pbtxt").write_text(config.format(name=name))
    return repository


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return _model(tmp_path / "models")


@pytest.fixture
def refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs a command and returns the one line it complained with, after checking that it left nothing behind."""

    def run(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        code = main([*arguments, "--results", str(tmp_path / "results")] if "--results" not in arguments else arguments)
        captured = capsys.readouterr()
        assert code == 2, captured
        assert captured.out == ""
        assert captured.err.count("\n") == 1, captured.err
        assert captured.err.startswith("autotune: ")
        assert sorted(tmp_path.rglob("*")) == before
        return captured.err.removeprefix("autotune: ").strip()

    return run


def test_unknown_model(refuses, repository: Path) -> None:
    line = refuses("run", "--model-repository", str(repository), "--model", "nett", "--p99", "5ms")
    assert line.startswith("--model: ")
    assert "'nett'" in line
    assert "net" in line


def test_several_models_and_none_chosen(refuses, repository: Path) -> None:
    _model(repository, "other")
    line = refuses("run", "--model-repository", str(repository), "--p99", "5ms")
    assert line.startswith("--model: ")
    assert "net, other" in line


def test_empty_repository(refuses, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    line = refuses("run", "--model-repository", str(tmp_path / "empty"), "--p99", "5ms")
    assert line.startswith("--model-repository: ")


def test_missing_repository(refuses, tmp_path: Path) -> None:
    line = refuses("run", "--model-repository", str(tmp_path / "none"), "--p99", "5ms")
    assert line.startswith("--model-repository: ")


def test_config_that_cannot_be_parsed_shows_the_line(refuses, tmp_path: Path) -> None:
    repository = _model(tmp_path / "models", config='name: "{name}"\nmax_batch_size: lots\n')
    line = refuses("run", "--model-repository", str(repository), "--p99", "5ms")
    assert "config.pbtxt:2" in line
    assert "max_batch_size: lots" in line


def _space(tmp_path: Path, text: str) -> str:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("parameters:\n  max_batchsize: [1, 2]\n", ("space.yaml:2", "max_batchsize", "max_batch_size")),
        ("parameters:\n  instance_count: {low: 4, high: 1}\n", ("space.yaml:2", "low", "4", "1")),
        ("parameters:\n  instance_count: []\n", ("space.yaml:2", "instance_count")),
        ("fields:\n  dynamic_batching.max_queue_delay: [1]\n", ("space.yaml:2", "max_queue_delay")),
        ("parameters: [\n", ("space.yaml",)),
        ("", ("space.yaml",)),
    ],
    ids=["unknown field", "low above high", "no choice", "unknown config field", "not YAML", "empty"],
)
def test_search_space(refuses, repository: Path, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    space = _space(tmp_path, text)
    line = refuses(
        "run", "--model-repository", str(repository), "--p99", "5ms", "--search-space", space, "--launch", "embedded"
    )
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--p99", "5"], "--p99: '5' has no unit; write 5ms, 5us or 5s"),
        (["--p99", "-1ms"], "--p99: '-1ms' is not above zero; a duration must be positive, such as 5ms"),
        ([], "--p99: --objective throughput needs a latency ceiling; add one, such as --p99 5ms"),
        (["--p99", "5ms", "--launch", "cloud"], "--launch: 'cloud' is unknown"),
        (["--p99", "5ms", "--protocol", "carrier"], "--protocol: 'carrier' is unknown; use http or grpc"),
        (["--p99", "5ms", "--sampler", "luck"], "--sampler: unknown sampler 'luck'; use model, tpe, random, grid, gp"),
        (["--p99", "5ms", "--load", "half"], "--load: 'half' is unknown; use open or closed"),
        (["--objective", "latency", "--rate", "9", "--load", "closed"], "--load: --objective latency offers the rate"),
        (
            ["--p99", "5ms", "--client-time", "1ms"],
            "--client-time: only a closed loop has a think time; drop it, or add --load closed",
        ),
        (["--p99", "5ms", "--load", "closed", "--client-time", "5"], "--client-time: '5' has no unit; write 5ms"),
        (["--p99", "5ms", "--min-gain", "2"], "--min-gain: 2 is out of range; use a fraction from 0 to below 1"),
        (["--p99", "5ms", "--final-rounds", "-1"], "--final-rounds: -1 is out of range; use 0 or more"),
        (["--p99", "5ms", "--study", "../up"], "--study: '../up' names a directory"),
        (["--p99", "5ms", "--input-data", "lorem"], "--input-data: cannot read lorem: No such file"),
        (
            ["--p99", "5ms", "--input-data", "zero", "--input-data", "x"],
            "--input-data: zero is given beside other data",
        ),
        (["--p99", "5ms", "--client", "curl"], "--client: 'curl' is unknown; use autotune or perf_analyzer"),
        (["--p99", "5ms", "--shared-memory", "cuda"], "--shared-memory: 'cuda' is unknown; use none or system"),
        (["--p99", "5ms", "--streaming"], "--streaming: responses are streamed over gRPC only; add --protocol grpc"),
        (["--p99", "5ms", "--client", "perf_analyzer", "--perf-analyzer", "/none"], "--perf-analyzer: "),
        (["--p99", "5ms", "--shape", "x"], "--shape: 'x' is not an input's shape"),
        (["--p99", "5ms", "--time-budget", "10"], "--time-budget: '10' has no unit"),
    ],
)
def test_flag(refuses, repository: Path, flags: list[str], line: str) -> None:
    launch = [] if "--launch" in flags else ["--launch", "embedded"]
    assert refuses("run", "--model-repository", str(repository), *launch, *flags).startswith(line)


def test_unknown_option_is_one_line(refuses) -> None:
    assert "--p98" in refuses("run", "--p98", "5ms")


@pytest.mark.parametrize("value", ["0", "three"])
def test_number_of_trials(refuses, repository: Path, value: str) -> None:
    line = refuses("run", "--model-repository", str(repository), "--p99", "5ms", "--trials", value)
    assert line.startswith("--trials: ")
    assert value in line


def test_port_in_use(refuses, repository: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refuses(
            "run", "--model-repository", str(repository), "--p99", "5ms", "--launch", "embedded", "--http-port", port
        )
    assert line.startswith("--http-port: ")
    assert port in line


def test_unreachable_engine(refuses, repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    line = refuses("run", "--model-repository", str(repository), "--p99", "5ms", "--launch", "docker")
    assert line.startswith("--launch docker: ")


def test_results_that_is_a_file(refuses, repository: Path, tmp_path: Path) -> None:
    results = tmp_path / "file"
    results.write_text("")
    line = refuses(
        "run", "--model-repository", str(repository), "--p99", "5ms", "--launch", "embedded", "--results", str(results)
    )
    assert line.startswith("--results: ")


@pytest.mark.parametrize("command", [["studies", "list"], ["studies", "show", "x"], ["export", "x"], ["dashboard"]])
def test_no_database_yet(refuses, command: list[str]) -> None:
    assert "there is no database" in refuses(*command)


def test_load_of_a_sweep(refuses, repository: Path) -> None:
    flags = ["--p99", "5ms", "--concurrency", "8", "--load", "closed", "--launch", "embedded"]
    line = refuses("measure", "--model-repository", str(repository), *flags)
    assert line.startswith("--load: closed needs ceilings such as --p99 5ms, and none of --concurrency, --rate")


def test_sweep(refuses, repository: Path) -> None:
    line = refuses("measure", "--model-repository", str(repository), "--concurrency", "8:1", "--launch", "embedded")
    assert line == "--concurrency: '8:1' ends below its start; write START:END with END at least START"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p99: 5\n", "--p99: '5' has no unit"),
        ("trails: 3\n", "'trails' is not an option of 'run'; did you mean 'trials'?"),
        ("- p99\n", "expected 'flag: value' lines"),
        ("p99: [\n", "not YAML"),
        (
            "profile_models: [net]\nduration_seconds: 3\n",
            "is a file of Model Analyzer; use it with autotune run --from-model-analyzer FILE",
        ),
    ],
)
def test_config_file(refuses, repository: Path, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "autotune.yaml"
    path.write_text(text)
    assert words in refuses("run", "--model-repository", str(repository), "--config", str(path), "--launch", "embedded")


def test_flags_win_over_the_config_file_and_the_environment(
    refuses, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "autotune.yaml"
    path.write_text("p99: 1x\n")
    command = ["run", "--model-repository", str(repository), "--config", str(path), "--launch", "embedded"]
    assert "'1x'" in refuses(*command)
    monkeypatch.setenv("AUTOTUNE_P99", "2x")
    assert "'2x'" in refuses(*command)
    assert "'3x'" in refuses(*command, "--p99", "3x")


def test_help_is_quick_because_heavy_packages_are_imported_where_they_are_used() -> None:
    listed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, autotune, autotune.cli._app\n"
            "heavy = {'optuna', 'numpy', 'sqlalchemy', 'docker', 'onnx', 'tritonclient', 'grpc', 'pydantic', 'rich'}\n"
            "print(sorted(heavy & sys.modules.keys()))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--rate", "100", "--concurrency", "4"], "--rate: give either --concurrency or --rate, not both"),
        (["--rate", "0"], "--rate: '0' has a value that is not above zero"),
        (
            ["--rate", "100", "--arrivals", "bursts"],
            "--arrivals: 'bursts' is unknown; use poisson, constant, or gamma:CV",
        ),
        (["--trace", "nowhere.txt"], "--trace: cannot read nowhere.txt"),
        (["--trace", "nowhere.txt", "--trace-unit", "m"], "--trace-unit: 'm' is unknown; use s, ms, us, ns"),
        (
            ["--concurrency", "1:9", "--time-budget", "20s"],
            "--time-budget: the 9 loads take 27s, over the budget of 20s",
        ),
    ],
)
def test_load(refuses, repository: Path, flags: list[str], line: str) -> None:
    assert refuses("measure", "--model-repository", str(repository), "--launch", "embedded", *flags).startswith(line)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.1\n-0.2\n", ("line 2", "-0.2")),
        ("0.1\n0.3\n0.2\n", ("line 3", "0.2", "0.3", "--trace-format gaps")),
        ("0.1\nsoon\n", ("line 2", "soon")),
        ("", ("holds no number",)),
    ],
    ids=["negative", "unsorted", "not a number", "empty"],
)
def test_trace(refuses, repository: Path, tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    trace = tmp_path / "arrivals.txt"
    trace.write_text(text)
    line = refuses("measure", "--model-repository", str(repository), "--launch", "embedded", "--trace", str(trace))
    assert line.startswith("--trace: ")
    for word in words:
        assert word in line


def test_a_trace_longer_than_the_time_budget(refuses, repository: Path, tmp_path: Path) -> None:
    intervals = tmp_path / "intervals.txt"
    intervals.write_text("1000\n" * 1000)  # of perf_analyzer, for one second
    flags = ["--model-repository", str(repository), "--launch", "embedded", "--trace", str(intervals)]
    line = refuses("measure", *flags, "--trace-format", "gaps")
    assert line.startswith(
        f"--trace: {intervals} takes 11.6 days if its numbers are seconds, over --time-budget 1h; say"
    )
    assert "--trace-unit" in line
    flags += ["--trace-unit", "us", "--trace-format", "gaps", "--time-budget", "500ms"]
    line = refuses("measure", *flags)
    assert "takes 1s if its numbers are microseconds, over --time-budget 500ms" in line
    line = refuses("measure", *flags, "--duration", "2s")
    assert line.startswith("--duration: 2s is over --time-budget 500ms")


_FEATURES = (
    ONE_MODEL
    + """
input {{ name: "features" data_type: TYPE_FP32 dims: [ 3 ] }}
input {{ name: "ids" data_type: TYPE_INT64 dims: [ -1 ] }}
"""
)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ('{"features": [1, 2, 3]}', "entry 1: input 'ids' is missing"),
        (
            '{"features": [1, 2], "ids": [1]}',
            "entry 1: input 'features': has 2 values, which do not fill the shape [3]",
        ),
        ('{"features": [1, 2, "3"], "ids": [1]}', "entry 1: input 'features': value 3 is '3'; FP32 takes numbers"),
        ('{"features": [1, 2, 3], "ids": [NaN]}', "entry 1: input 'ids': value 1 is nan; INT64 takes integers"),
        (
            '{"features": [[[1, 2, 3]]], "ids": [1]}',
            "entry 1: input 'features': has the shape [1,1,3], the model takes",
        ),
        ('{"features": [1, 2, 3], "ids": "' + "7" * 50_000_000 + '"}', "entry 1: input 'ids': '7777777777"),
        ('{"features": [1, 2, Inf], "ids": [1, 2}', "line 1, column 49: not JSON"),
        ("[" * 50_000 + "]" * 50_000, "not JSON: "),
    ],
    ids=["missing", "count", "type", "NaN", "nesting", "50 MB", "not JSON", "deep"],
)
def test_input_data(refuses, tmp_path: Path, entry: str, words: str) -> None:
    repository = _model(tmp_path / "models", config=_FEATURES)
    requests = tmp_path / "requests.json"
    requests.write_text(f'{{"data": [{entry}]}}')
    for command in (["run", "--p99", "5ms"], ["measure"]):
        flags = ["--model-repository", str(repository), "--launch", "embedded", "--input-data", str(requests)]
        line = refuses(*command, *flags)
        assert line.startswith(f"--input-data: {requests}: {words}")
        assert len(line) < 400 + len(str(requests))


def test_input_data_from_a_pipe(refuses, repository: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    line = refuses("measure", "--model-repository", str(repository), "--input-data", str(tmp_path / "pipe"))
    assert line.startswith(f"--input-data: {tmp_path / 'pipe'}: is neither a file nor a directory")


def test_rate_beyond_the_client(refuses) -> None:
    models = Path(__file__).parents[2] / "model_repository"
    line = refuses(
        "measure", "--model-repository", str(models), "--model", "iris", "--launch", "embedded", "--rate", "50000000"
    )
    assert line.startswith("--rate: this client cannot offer 50,000,000 inferences/s in time; the most is about ")


def test_decoupled_model_without_a_stream(refuses, repository: Path) -> None:
    config = next(repository.glob("*/config.pbtxt"))
    config.write_text(config.read_text() + "model_transaction_policy { decoupled: true }\n")
    line = refuses("run", "--model-repository", str(repository), "--p99", "5ms", "--launch", "embedded")
    assert line.startswith("--streaming: model 'net' is decoupled and answers only on a stream")


_SEQUENCES = "sequence_batching { oldest { max_candidate_sequences: 4 } }\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--batch-size", "2"], "--batch-size: 'net' has sequence_batching: 2 inferences in one request are refused"),
        (["--shared-memory", "system"], "--shared-memory: 'net' has sequence_batching: its requests cannot use"),
        (["--client", "perf_analyzer"], "--client: 'net' has sequence_batching: perf_analyzer cannot send its"),
        (["--sequence-length", "0"], "--sequence-length: 0 is out of range; use 1 or more"),
    ],
)
def test_what_does_not_go_with_sequences(refuses, repository: Path, options: list[str], words: str) -> None:
    """Triton 2.51 refuses requests of several inferences to a model with sequence_batching."""
    config = next(repository.glob("*/config.pbtxt"))
    config.write_text(config.read_text() + _SEQUENCES)
    line = refuses("measure", *options, "--model-repository", str(repository), "--launch", "embedded")
    assert line.startswith(words)


@pytest.mark.parametrize("flag", ["--sequence-length", "--num-of-sequences"])
@pytest.mark.parametrize("command", [["run", "--p99", "5ms"], ["measure"]])
def test_options_for_sequences_need_a_model_that_takes_some(refuses, repository: Path, command, flag: str) -> None:
    line = refuses(*command, flag, "4", "--model-repository", str(repository), "--launch", "embedded")
    assert line == f"{flag}: 'net' has no sequence_batching; leave {flag} out"


def test_an_ensemble_with_a_sequence_step_takes_sequences(refuses, repository: Path) -> None:
    config = next(repository.glob("*/config.pbtxt"))
    config.write_text(config.read_text() + "sequence_batching { }\n")
    (repository / "both" / "1").mkdir(parents=True)
    step = 'step [ { model_name: "net" model_version: -1 } ]'
    (repository / "both" / "config.pbtxt").write_text(f'platform: "ensemble" ensemble_scheduling {{ {step} }}')
    options = ["--model", "both", "--launch", "embedded", "--batch-size", "2"]
    line = refuses("measure", "--model-repository", str(repository), *options)
    assert line.startswith("--batch-size: 'net' has sequence_batching")


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.usefixtures("without_gpu")
@pytest.mark.parametrize("group", ["{ kind: KIND_GPU }", "{ kind: KIND_GPU gpus: [ 0, 1 ] }", "{ gpus: [ 0 ] }"])
@pytest.mark.parametrize("command", [["run", "--p99", "5ms"], ["measure"]])
def test_instances_on_a_gpu_that_is_not_there(refuses, repository: Path, command: list[str], group: str) -> None:
    """Triton 2.51 refuses: "invalid or unsupported gpu id 0"; without a kind "has kind KIND_CPU but specifies"."""
    config = next(repository.glob("*/config.pbtxt"))
    config.write_text(config.read_text() + f"instance_group {group}\n")
    line = refuses(*command, "--model-repository", str(repository), "--launch", "embedded")
    assert line.startswith("--launch embedded: instance_group[0] of 'net' asks for GPUs, but Triton finds none there")
    assert "instance_kind: KIND_CPU" in line
