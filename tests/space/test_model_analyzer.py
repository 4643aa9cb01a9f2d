"""Files of Model Analyzer are answered with what to write instead; the keys are those of its version 1.58."""

import pytest
import yaml

from autotune.errors import UsageError
from autotune.space import SearchSpace, model_analyzer_advice

PROFILE = """
model_repository: ./repo
profile_models:
  - plus:
      constraints: {perf_latency_p99: {max: 50}, gpu_used_memory: {max: 100}}
      objectives: [perf_throughput]
  - minus
run_config_search_mode: quick
run_config_search_max_instance_count: 2
run_config_search_max_model_batch_size: 8
perf_analyzer_flags: {input-data: zero, percentile: 95}
triton_launch_mode: local
triton_server_flags: {log-verbose: 1}
duration_seconds: 3
"""
RANGES = """
profile_models:
  plus:
    parameters: {concurrency: [1, 4]}
    model_config_parameters:
      max_batch_size: [2, 8]
      dynamic_batching:
        max_queue_delay_microseconds: [0, 400]
      instance_group:
        - kind: KIND_CPU
          count: [1, 2]
      parameters: {threads: {string_value: [1, 2]}}
"""


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("model_repository: ./repo", "--model-repository ./repo"),
        ("profile_models: plus", "--model plus"),
        ("profile_models: minus", "--model minus"),
        ("perf_latency_p99: max: 50", "--p99 50ms"),
        ("objectives: perf_throughput", "--objective throughput"),
        ("run_config_search_mode: quick", "--sampler model"),
        ("perf_analyzer_flags: input-data: zero", "--input-data zero"),
        ("triton_launch_mode: local", "--launch local"),
        ("triton_server_flags: log-verbose: 1", "--triton-arg=--log-verbose=1"),
        (
            "run_config_search_max_instance_count: 2",
            "'parameters: instance_count: {low: 1, high: 2}' in a --search-space file",
        ),
        (
            "run_config_search_max_model_batch_size: 8",
            "'parameters: max_batch_size: {low: 1, high: 8, scale: log2}' in a --search-space file",
        ),
    ],
)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.BaseLoader], ids=["typed", "texts"])
def test_a_key_has_its_counterpart(loader, theirs: str, ours: str) -> None:
    assert f"{theirs} is {ours}" in model_analyzer_advice(yaml.load(PROFILE, Loader=loader))  # noqa: S506


@pytest.mark.parametrize(
    "key", ["gpu_used_memory: max: 100", "perf_analyzer_flags: percentile: 95", "duration_seconds: 3"]
)
def test_a_key_without_a_counterpart_says_so(key: str) -> None:
    assert f"{key} has no counterpart" in model_analyzer_advice(yaml.safe_load(PROFILE))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("max_batch_size: [2, 8]", "parameters: max_batch_size: [2, 8]"),
        (
            "dynamic_batching.max_queue_delay_microseconds: [0, 400]",
            "parameters: max_queue_delay_microseconds: [0, 400]",
        ),
        ("instance_group.kind: KIND_CPU", "parameters: instance_kind: [KIND_CPU]"),
        ("instance_group.count: [1, 2]", "parameters: instance_count: [1, 2]"),
        ("parameters.threads.string_value: [1, 2]", "fields: parameters.threads.string_value: [1, 2]"),
    ],
)
def test_a_range_of_configs_becomes_a_search_space_that_loads(theirs: str, ours: str) -> None:
    advice = model_analyzer_advice(yaml.safe_load(RANGES))
    assert f"{theirs} is '{ours}' in a --search-space file" in advice
    section, _, entry = ours.partition(": ")
    assert SearchSpace.parse(f"{section}:\n  {entry}\n", "space.yaml").size >= 1


def test_as_a_search_space_it_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^--search-space: ma\.yaml: is a file of Model Analyzer") as caught:
        SearchSpace.parse(RANGES, "ma.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["p99: 5ms", "model_repository: x\nconcurrency: 4", "- profile_models", "null"])
def test_other_files_are_not_taken_for_one(text: str) -> None:
    assert model_analyzer_advice(yaml.safe_load(text)) == ""
