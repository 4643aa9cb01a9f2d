"""Search spaces from files of Model Analyzer; the keys are those of its version 1.58."""

import pytest
import yaml

from autotune.errors import UsageError
from autotune.space import SearchSpace, is_model_analyzer, model_analyzer_space


def read(text: str) -> tuple[SearchSpace, dict[str, list[object]], list[str]]:
    """The space, the choices of each parameter, and what was left out."""
    left_out: list[str] = []
    document = model_analyzer_space(yaml.safe_load(text), left_out.append)
    space = SearchSpace.parse(yaml.safe_dump(document), "ma.yaml")
    return space, {each.name: list(each.settings) for each in space.parameters}, left_out


def test_swept_parameters_alone_are_searched() -> None:
    space, choices, left_out = read("""
        run_config_search_max_instance_count: 5
        model_config_parameters:
          max_batch_size: [6, 8]
          dynamic_batching:
            max_queue_delay_microseconds: [200, 300]
          instance_group:
            - kind: KIND_CPU
              count: [1, 2]
    """)
    assert choices == {
        "max_batch_size": [6, 8],
        "dynamic_batching": [True],
        "max_queue_delay_microseconds": [200, 300],
        "instance_count": [1, 2],
        "instance_kind": ["KIND_CPU"],
    }
    assert space.size == 8
    assert not left_out


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("max_batch_size: 4", {"max_batch_size": [4]}),
        ("max_batch_size: {start: 2, stop: 6, step: 2}", {"max_batch_size": [2, 4, 6]}),
        ("max_batch_size: '2,4'", {"max_batch_size": [2, 4]}),
        ("dynamic_batching: {}", {"dynamic_batching": [True]}),
        ("dynamic_batching: [null, {}]", {"dynamic_batching": [False, True]}),
        # A field that takes a list itself is swept by a list of lists.
        (
            "dynamic_batching: {preferred_batch_size: [4, 8]}",
            {"dynamic_batching": [True], "preferred_batch_size": [(4, 8)]},
        ),
        (
            "dynamic_batching: {preferred_batch_size: [[4], [4, 8]]}",
            {"dynamic_batching": [True], "preferred_batch_size": [(4,), (4, 8)]},
        ),
        (
            "instance_group: [[{kind: KIND_GPU, count: 1}], [{kind: KIND_CPU, count: 1}]]",
            {"instance_count": [1], "instance_kind": ["KIND_CPU", "KIND_GPU"]},
        ),
        ("parameters: {threads: {string_value: [1, 2]}}", {"parameters.threads": [1, 2]}),
        ("optimization: {cuda: {graphs: [true, false]}}", {"optimization.cuda.graphs": [True, False]}),
        ("dynamic_batching: {preserve_ordering: true}", None),
    ],
)
def test_each_field_becomes_a_parameter(parameters: str, expected: dict[str, list[object]] | None) -> None:
    _, choices, left_out = read(f"model_config_parameters: {{{parameters}}}")
    expected = expected or {"dynamic_batching": [True], "dynamic_batching.preserve_ordering": [True]}
    assert choices == expected
    assert not left_out


def test_what_cannot_be_searched_is_left_out() -> None:
    _, choices, left_out = read("""
        model_config_parameters:
          max_batch_size: [1, 2]
          instance_group: [{kind: KIND_GPU, count: 1}, {kind: KIND_CPU, count: 1}]
          no_such_field: 3
    """)
    assert choices == {"max_batch_size": [1, 2]}
    assert left_out == [
        "instance_group: [{kind: KIND_GPU, count: 1}, {kind: KIND_CPU, count: 1}]"
        " (several groups; search one with count and kind)",
        "no_such_field: 3",
    ]


def test_bounds_narrow_the_built_in_space() -> None:
    _, choices, _ = read("""
        run_config_search_min_model_batch_size: 2
        run_config_search_max_model_batch_size: 16
        run_config_search_max_instance_count: 2
        cpu_only: true
    """)
    assert choices["max_batch_size"] == [2, 4, 8, 16]
    assert choices["instance_count"] == [1, 2]
    assert choices["instance_kind"] == ["KIND_CPU"]
    default = {each.name: list(each.settings) for each in SearchSpace.default().parameters}
    assert choices["max_queue_delay_microseconds"] == default["max_queue_delay_microseconds"]


def test_bounds_need_not_be_powers_of_two() -> None:
    _, choices, _ = read("{run_config_search_min_model_batch_size: 3, run_config_search_max_model_batch_size: 12}")
    assert choices["max_batch_size"] == [3, 4, 8, 12]


def test_without_parameters_and_bounds_the_built_in_space_is_searched() -> None:
    assert model_analyzer_space({"run_config_search_mode": "quick"}, pytest.fail) == {}


@pytest.mark.parametrize(
    "text",
    [
        "run_config_search_max_instance_count: 0",
        "run_config_search_max_instance_count: many",
        "model_config_parameters: {max_batch_size: {start: 1, stop: x}}",
    ],
)
def test_wrong_numbers_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--from-model-analyzer: .*whole numbers"):
        model_analyzer_space(yaml.safe_load(text), pytest.fail)


def test_as_a_search_space_it_is_refused() -> None:
    line = (
        r"^--search-space: ma\.yaml: is a file of Model Analyzer; use it with autotune run --from-model-analyzer FILE$"
    )
    with pytest.raises(UsageError, match=line):
        SearchSpace.parse("profile_models: [plus]", "ma.yaml")


@pytest.mark.parametrize("text", ["p99: 5ms", "model_repository: x\nconcurrency: 4", "- profile_models", "null"])
def test_other_files_are_not_taken_for_one(text: str) -> None:
    assert not is_model_analyzer(yaml.safe_load(text))
