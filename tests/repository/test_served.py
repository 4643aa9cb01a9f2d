"""A config as asked and as served: what counts as a difference, and what is known to be served alike."""

import time
from typing import Any

import pytest

from autotune.repository import (
    Difference,
    ModelConfig,
    asked_config,
    compare_served,
    describe_changes,
    is_known_alike,
    with_raised_batch,
)

_TENSORS = """
input { name: "x" data_type: TYPE_FP32 dims: [ 4 ] }
output { name: "y" data_type: TYPE_FP32 dims: [ 4 ] }
"""


def _config(text: str) -> ModelConfig:
    return ModelConfig.parse(f'name: "m" backend: "python" {text}', "config.pbtxt")


def _answer(**fields: Any) -> dict[str, Any]:
    """What Triton 2.51 answers for a Python model with one input and output (GET /v2/models/m/config)."""
    tensor = {"data_type": "TYPE_FP32", "dims": [4], "is_shape_tensor": False, "is_non_linear_format_io": False}
    answer: dict[str, Any] = {
        "name": "m",
        "platform": "",
        "backend": "python",
        "runtime": "",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": 0,
        "input": [{"name": "x", "format": "FORMAT_NONE", "allow_ragged_batch": False, "optional": False, **tensor}],
        "output": [{"name": "y", "label_filename": "", **tensor}],
        "batch_input": [],
        "batch_output": [],
        "optimization": {
            "priority": "PRIORITY_DEFAULT",
            "input_pinned_memory": {"enable": True},
            "output_pinned_memory": {"enable": True},
            "gather_kernel_buffer_threshold": 0,
            "eager_batching": False,
        },
        "instance_group": [_group()],
        "default_model_filename": "model.py",
        "cc_model_filenames": {},
        "metric_tags": {},
        "parameters": {},
        "model_warmup": [],
    }
    return {**answer, **fields}


def _group(**fields: Any) -> dict[str, Any]:
    group = {"name": "m_0", "kind": "KIND_CPU", "count": 1, "gpus": [], "secondary_devices": [], "profile": []}
    return {**group, "passive": False, "host_policy": "", **fields}


def _batcher(**fields: Any) -> dict[str, Any]:
    batcher = {"preferred_batch_size": [16], "max_queue_delay_microseconds": 0, "preserve_ordering": False}
    return {**batcher, "priority_levels": 0, "default_priority_level": 0, "priority_queue_policy": {}, **fields}


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("", {}),
        ("instance_group { count: 1 kind: KIND_CPU }", {}),
        ("instance_group { kind: KIND_CPU }", {"instance_group": [_group(count=2)]}),
        ("instance_group { }", {"instance_group": [_group(kind="KIND_GPU", gpus=[0, 1])]}),
        ('default_model_filename: "model.py" version_policy { latest { num_versions: 1 } }', {}),
        ("optimization { input_pinned_memory { enable: true } }", {}),
        ("max_batch_size: 16 dynamic_batching { }", {"max_batch_size": 16, "dynamic_batching": _batcher()}),
        (
            "max_batch_size: 16 dynamic_batching { max_queue_delay_microseconds: 18446744073709551615 }",
            {"max_batch_size": 16, "dynamic_batching": _batcher(max_queue_delay_microseconds=18446744073709551615)},
        ),
        (
            "max_batch_size: 16 dynamic_batching { max_queue_delay_microseconds: 100 }",  # 64-bit integers as texts
            {"max_batch_size": 16, "dynamic_batching": _batcher(max_queue_delay_microseconds="100")},
        ),
        (
            "max_batch_size: 8 sequence_batching { oldest { max_candidate_sequences: 4 } }",
            {
                "max_batch_size": 8,
                "sequence_batching": {
                    "oldest": {"max_candidate_sequences": 4, "preferred_batch_size": [8]},
                    "max_sequence_idle_microseconds": 1000000,
                },
            },
        ),
        ('parameters { key: "a" value { string_value: "b" } }', {"parameters": {"a": {"string_value": "b"}}}),
        ("", {"field_of_a_newer_triton": {"on": True}}),
    ],
)
def test_what_triton_fills_in_by_itself_is_no_difference(asked: str, served: dict[str, Any]) -> None:
    config = _config(_TENSORS + asked)
    found = compare_served(config, _answer(**served))
    assert found.differences == ()
    assert found.config == config


@pytest.mark.parametrize(
    ("asked", "served", "path", "values"),
    [
        ("max_batch_size: 2", {"max_batch_size": 16}, "max_batch_size", (2, 16)),
        ("", {"max_batch_size": 16}, "max_batch_size", (None, 16)),
        ("instance_group { count: 3 }", {}, "instance_group[0].count", (3, 1)),
        (
            "instance_group [ { count: 1 kind: KIND_CPU }, { count: 1 kind: KIND_CPU } ]",
            {},
            "instance_group",
            (({"kind": "KIND_CPU", "count": 1},) * 2, ({"name": "m_0", "kind": "KIND_CPU", "count": 1},)),
        ),
        ("version_policy { all { } }", {}, "version_policy.latest", (None, {"num_versions": 1})),
        ('parameters { key: "a" value { string_value: "b" } }', {}, "parameters", ({"a": "b"}, None)),
        (
            "model_transaction_policy { decoupled: true }",
            {},
            "model_transaction_policy",
            ({"decoupled": True}, None),
        ),
        (
            "max_batch_size: 16 dynamic_batching { preferred_batch_size: 4 }",
            {"max_batch_size": 16, "dynamic_batching": _batcher(preferred_batch_size=[8])},
            "dynamic_batching.preferred_batch_size",
            ((4,), (8,)),
        ),
    ],
)
def test_any_other_field_served_otherwise_is_a_typed_difference(
    asked: str, served: dict[str, Any], path: str, values: tuple[Any, Any]
) -> None:
    config = _config(_TENSORS + asked)
    found = compare_served(config, _answer(**served))
    by_path = {each.path: (each.asked, each.served) for each in found.differences}
    assert by_path[path] == values
    assert compare_served(found.config, _answer(**served)).differences == ()  # what is recorded is what was served
    assert asked_config(found.config, found.differences) == config


def test_a_switched_on_batcher_is_a_change_and_a_completed_tensor_is_not() -> None:
    found = compare_served(_config("max_batch_size: 2"), _answer(max_batch_size=16, dynamic_batching=_batcher()))
    assert {each.path for each in found.differences} == {"max_batch_size", "input", "output", "dynamic_batching"}
    assert {each.path for each in found.changes} == {"max_batch_size", "dynamic_batching"}
    assert found.config.value("input[0].dims") == (4,)
    assert found.config.value("dynamic_batching.preferred_batch_size") == (16,)
    assert describe_changes(found.config, found.changes) == (
        "the model's auto_complete_config raises max_batch_size to 16 and switches dynamic batching on"
    )


def test_an_ensemble_is_served_without_what_triton_fills_in_for_other_models() -> None:
    steps = 'platform: "ensemble" ensemble_scheduling { step { model_name: "m" model_version: -1 } }'
    asked = ModelConfig.parse(f'name: "both" {steps} max_batch_size: 4', "x")
    served = {
        "name": "both",
        "platform": "ensemble",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": 4,
        "ensemble_scheduling": {"step": [{"model_name": "m", "model_version": -1, "input_map": {}}]},
    }
    assert compare_served(asked, served).differences == ()


def test_configs_served_alike_have_the_same_digest_whatever_they_ask_for() -> None:
    served = _answer(max_batch_size=16, dynamic_batching=_batcher())
    first = compare_served(_config(_TENSORS + "max_batch_size: 2"), served)
    unnamed = {**served, "instance_group": [_group(name="m")]}
    second = compare_served(_config(_TENSORS + "max_batch_size: 8 dynamic_batching { }"), unnamed)
    assert first.digest == second.digest
    other = compare_served(_config(_TENSORS), {**served, "instance_group": [_group(count=2)]})
    assert other.digest != first.digest


@pytest.mark.parametrize(
    ("measured", "other", "alike"),
    [
        ("max_batch_size: 2", "max_batch_size: 8", False),
        ("max_batch_size: 2", "max_batch_size: 16 dynamic_batching { }", True),  # what is served
        ("max_batch_size: 2", "max_batch_size: 2 dynamic_batching { preferred_batch_size: 16 }", True),
        ("max_batch_size: 2", "max_batch_size: 32", False),
        ("max_batch_size: 2", "max_batch_size: 8 dynamic_batching { preferred_batch_size: 4 }", False),
        ("max_batch_size: 2", "max_batch_size: 8 instance_group { count: 2 }", False),
        ("max_batch_size: 2", "", False),
        ("", "max_batch_size: 2", False),  # a model may set only what is not written
        ("", "max_batch_size: 16 dynamic_batching { }", True),
    ],
)
def test_known_alike_is_only_what_one_served_config_shows_of_another(measured: str, other: str, alike: bool) -> None:
    found = compare_served(_config(measured), _answer(max_batch_size=16, dynamic_batching=_batcher()))
    assert is_known_alike(_config(other), found.config, found.differences) is alike
    assert is_known_alike(_config(measured), found.config, found.differences)


def test_a_comparison_takes_less_than_10_ms() -> None:
    config, answer = _config(_TENSORS + "max_batch_size: 2"), _answer(max_batch_size=16)
    taken_s = []
    for _ in range(5):
        started = time.perf_counter()
        compare_served(config, answer)
        taken_s.append(time.perf_counter() - started)
    assert min(taken_s) < 0.010


def test_the_preferred_size_of_a_smaller_written_batch_is_not_that_of_another() -> None:
    # Triton 2.51 fills in preferred_batch_size from the written max_batch_size before the model raises that.
    served = _answer(max_batch_size=16, dynamic_batching=_batcher(preferred_batch_size=[2]))
    found = compare_served(_config(_TENSORS + "max_batch_size: 2 dynamic_batching { }"), served)
    assert found.config.value("dynamic_batching.preferred_batch_size") == (2,)
    assert describe_changes(found.config, found.changes) == (
        "the model's auto_complete_config raises max_batch_size to 16; "
        "Triton sets dynamic_batching.preferred_batch_size to [2]"
    )
    other = _config(_TENSORS + "max_batch_size: 8 dynamic_batching { }")
    assert not is_known_alike(other, found.config, found.differences)


@pytest.mark.parametrize(
    ("raised", "served", "written", "expected"),
    [
        ({None: 16, 2: 16}, {16}, 8, 16),
        ({2: 16, 4: 16}, {16}, 1, 16),
        ({2: 16}, {16}, 8, 8),  # one size alone may depend on what is written
        ({3: 4, 5: 8}, {4, 8}, 6, 6),  # rounded up
        ({3: 4, None: 4}, {2, 4}, 1, 1),  # 2 was served
        ({None: 16, 2: 16}, {16}, 32, 32),
        ({None: 16, 2: 16}, {16}, 0, 0),  # not written
    ],
)
def test_a_smaller_size_is_known_to_be_raised_once_two_were(
    raised: dict[int | None, int], served: set[int], written: int, expected: int
) -> None:
    config = _config(f"max_batch_size: {written}")
    differences = [Difference("m", "max_batch_size", asked, size) for asked, size in raised.items()]
    assert with_raised_batch(config, differences, served).max_batch_size == expected


@pytest.mark.parametrize(
    ("path", "asked", "served", "words"),
    [
        ("max_batch_size", 8, 4, "lowers max_batch_size to 4"),
        ("max_batch_size", 8, None, "removes max_batch_size"),
        ("dynamic_batching", {}, None, "switches dynamic batching off"),
        ("input[0].dims", (4,), (-1, 4), "sets input[0].dims to [-1, 4]"),
        ("input[0].optional", None, True, "sets input[0].optional to true"),
        ("model_transaction_policy", None, {"decoupled": True}, "changes model_transaction_policy"),
    ],
)
def test_a_change_is_said_in_words(path: str, asked: Any, served: Any, words: str) -> None:
    change = Difference("m", path, asked, served)
    assert describe_changes(_config(""), [change]) == f"the model's auto_complete_config {words}"
    onnx = ModelConfig.parse('backend: "onnxruntime"', "x")
    assert describe_changes(onnx, [change]) == f"the onnxruntime backend {words}"


def test_what_no_backend_can_change_is_put_down_to_triton() -> None:
    changes = [
        Difference("m", "max_batch_size", 2, 4),
        Difference("m", "instance_group[0].count", -1, 1),  # Triton 2.51 serves one instance for a count below 1
        Difference("m", "instance_group", ({}, {}), ({"count": 1},)),
    ]
    assert describe_changes(_config(""), changes) == (
        "the model's auto_complete_config raises max_batch_size to 4; "
        "Triton raises instance_group[0].count to 1 and changes instance_group"
    )
