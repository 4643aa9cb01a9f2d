"""Files of Model Analyzer, in their documented forms, in the options of ``autotune run``."""

from pathlib import Path

import pytest

from autotune.errors import UsageError
from autotune.request import RunRequest

QUICK = """
model_repository: ./repo
profile_models:
  - plus
constraints: {perf_latency_p99: {max: 50}, gpu_used_memory: {max: 100}}
objectives: [perf_throughput]
run_config_search_mode: quick
run_config_search_max_instance_count: 2
run_config_search_max_model_batch_size: 8
run_config_search_max_concurrency: 64
triton_launch_mode: local
triton_server_path: /opt/tritonserver
triton_docker_image: unused
client_protocol: grpc
"""
BRUTE = """
run_config_search_mode: brute
run_config_search_disable: true
profile_models:
  plus:
    parameters: {concurrency: {start: 2, stop: 16, step: 2}, batch_sizes: 1}
    constraints: {perf_latency_p90: {max: 3.5}}
    perf_analyzer_flags: {shape: ["x:4", "y:4"], percentile: 95, streaming: true}
    triton_server_flags: {log_verbose: true}
    model_config_parameters: {max_batch_size: [2, 8], instance_group: [{kind: KIND_CPU, count: [1, 2]}]}
constraints: {perf_latency_p99: {max: 50}}
perf_analyzer_flags: {input-data: zero}
duration_seconds: 5
"""
ENSEMBLE = """
profile_models: pipeline
ensemble_composing_models:
  - pre
  - net: {model_config_parameters: {max_batch_size: 4}}
latency_budget: 60
triton_launch_mode: docker
triton_docker_image: triton:1
triton_docker_mounts: ["/a:/b"]
triton_docker_shm_size: 1G
gpus: [GPU-1, GPU-2]
"""
BLS = """
profile_models: [bls]
bls_composing_models: add, sub
objectives: {perf_latency_p99: 2}
min_throughput: 300
triton_launch_mode: remote
triton_http_endpoint: host:8000
triton_grpc_endpoint: host:8011
optuna_max_trials: 12
run_config_search_mode: optuna
"""


def read(tmp_path: Path, text: str, **options: object) -> tuple[RunRequest, str]:
    """The request, and its notes."""
    (tmp_path / "ma.yaml").write_text(text)
    request = RunRequest(from_model_analyzer=tmp_path / "ma.yaml", **options)  # type: ignore[arg-type]
    completed, notes = request.completed()
    return completed, "\n".join(notes)


def has(request: RunRequest, **options: object) -> None:
    assert {name: getattr(request, name) for name in options} == options


def test_a_quick_search_is_read(tmp_path: Path) -> None:
    request, notes = read(tmp_path, QUICK)
    has(request, model_repository="./repo", model="plus", p99="50ms", load="closed", max_concurrency=64)
    has(request, sampler="model", launch="local", triton_path="/opt/tritonserver", image=None, protocol="grpc")
    sizes = {each.name: each.settings for each in request.space().parameters}
    assert sizes["max_batch_size"] == (1, 2, 4, 8)
    assert sizes["instance_count"] == (1, 2)
    assert "read as --model plus --load closed --launch local" in notes
    assert "--max-gpu-memory 100m" in notes
    assert (
        "searches parameters {max_batch_size: {low: 1, high: 8, scale: log2}, dynamic_batching: [true, false]" in notes
    )


def test_a_brute_search_with_ranges_is_read(tmp_path: Path) -> None:
    request, notes = read(tmp_path, BRUTE)
    # A model's own sections replace the global ones, as in Model Analyzer.
    has(request, model="plus", p90="3.5ms", p99=None, max_concurrency=16, load="closed", sampler="model")
    has(request, shape=("x:4", "y:4"), input_data=(), streaming=True, triton_arg=("--log-verbose=true",))
    assert request.space().size == 4
    for listed in ("perf_analyzer_flags: percentile: 95", "duration_seconds: 5", "run_config_search_mode: brute ("):
        assert listed in notes
    assert "batch_sizes" not in notes
    assert "run_config_search_disable" not in notes


def test_an_ensemble_is_read(tmp_path: Path) -> None:
    request, notes = read(tmp_path, ENSEMBLE)
    has(request, model="pipeline", p99="60ms", launch="docker", image="triton:1", shm_size="1G", mount=("/a:/b",))
    has(request, gpus="GPU-1,GPU-2", composing_models=())
    assert "ensemble_composing_models: net: model_config_parameters: {max_batch_size: 4}" in notes


def test_a_bls_model_under_a_rate_is_read(tmp_path: Path) -> None:
    request, _ = read(tmp_path, BLS)
    has(request, composing_models=("add", "sub"), objective="latency", min_throughput=300.0, load="open")
    has(request, launch="remote", url="host:8000,8011", trials=12, sampler="tpe")
    assert request.goal().rate_per_s == 300


def test_options_beside_the_file_win(tmp_path: Path) -> None:
    request, notes = read(tmp_path, QUICK, p99="5ms", load="open", launch="embedded", sampler="grid", protocol="http")
    has(request, p99="5ms", load="open", launch="embedded", triton_path=None, sampler="grid", protocol="http")
    assert "--launch" not in notes
    assert "triton_server_path" not in notes
    (tmp_path / "space.yaml").write_text("parameters: {instance_count: 3}")
    request, notes = read(tmp_path, QUICK, search_space=tmp_path / "space.yaml")
    assert request.space().size == 1
    assert "searches" not in notes


def test_one_of_several_models_is_chosen_with_its_own_settings(tmp_path: Path) -> None:
    text = "profile_models:\n  - a: {constraints: {perf_latency_p99: {max: 7}}}\n  - b\nlatency_budget: 9"
    has(read(tmp_path, text, model="b")[0], model="b", p99="9ms")
    with pytest.raises(UsageError, match=r"names the models a, b; add --model to tune one of them$"):
        read(tmp_path, text)
    with pytest.raises(UsageError, match=r"has no model 'c', only a, b; correct --model$"):
        read(tmp_path, text, model="c")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("profile_models: [", "ma.yaml:1: not YAML"),
        ("p99: 5ms", "ma.yaml is no file of Model Analyzer; it needs profile_models"),
        ("- a", "is no file of Model Analyzer"),
        ("profile_models: []", "names no model; add profile_models: MODEL"),
        ("profile_models: net", "has no latency constraint; add one such as --p99 5ms"),
    ],
)
def test_a_file_that_says_too_little_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=r"^--from-model-analyzer: ") as caught:
        read(tmp_path, text)
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^--from-model-analyzer: cannot read .*none\.yaml: No such file"):
        RunRequest(from_model_analyzer=tmp_path / "none.yaml").completed()


def test_several_objectives_are_a_pareto_front(tmp_path: Path) -> None:
    text = """
profile_models: [plus]
objectives: {perf_throughput: 10, perf_latency_p99: 5, gpu_used_memory: 1, gpu_utilization: 1}
constraints: {perf_latency_p99: {max: 20}}
"""
    request, notes = read(tmp_path, text)
    has(request, objective="throughput,p99,memory", load="closed")
    assert request.goal().also == ("p99", "memory")
    assert "objectives: gpu_utilization" in notes
    assert "objectives: weights (the Pareto front is shown instead)" in notes


@pytest.mark.parametrize("metric", ["gpu_used_memory", "cpu_used_ram"])
def test_the_least_memory_under_a_rate_is_read(tmp_path: Path, metric: str) -> None:
    text = f"""
profile_models: [plus]
objectives: [{metric}]
constraints: {{perf_throughput: {{min: 300}}, perf_latency_p99: {{max: 20}}}}
"""
    request, _ = read(tmp_path, text)
    assert str(request.goal()) == "lowest memory at 300 inferences/s with p99 <= 20ms"
