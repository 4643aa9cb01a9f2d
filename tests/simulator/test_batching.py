"""What of a config decides how batches form, and the configs that the model leaves alone."""

import pytest

from autotune.repository import ModelConfig
from autotune.simulator import Batching


def _of(text):
    return Batching.of(ModelConfig.parse(text, "config.pbtxt"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", Batching(1, dynamic=False), id="empty"),
        pytest.param("max_batch_size: 8", Batching(8, dynamic=False), id="no-batcher"),
        pytest.param("max_batch_size: 8 dynamic_batching { }", Batching(8, dynamic=True), id="defaults"),
        pytest.param("dynamic_batching { }", Batching(1, dynamic=True), id="no-batch-dimension"),
        pytest.param(
            "max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 500 preferred_batch_size: [ 8, 4 ] }",
            Batching(8, dynamic=True, max_queue_delay_s=0.0005, preferred_sizes=(4, 8)),
            id="delay-and-preferred-sizes",
        ),
        pytest.param(
            "instance_group [ { count: 2 }, { count: 3 kind: KIND_CPU } ]",
            Batching(1, dynamic=False, instances=5),
            id="groups-add-up",
        ),
        pytest.param("instance_group [ { } ]", Batching(1, dynamic=False), id="a-group-without-a-count"),
        pytest.param(
            "instance_group [ { count: 2 gpus: [ 0 ] }, { gpus: [ 0 ] } ]",
            Batching(1, dynamic=False, instances=3),
            id="one-gpu",
        ),
        pytest.param(
            'max_batch_size: 2 dynamic_batching { } input { name: "x" data_type: TYPE_FP32 dims: [ -1 ] }',
            Batching(2, dynamic=True, compares_shapes=True),
            id="variable-shapes",
        ),
        pytest.param(
            'max_batch_size: 2 dynamic_batching { } input { name: "x" dims: [ -1 ] allow_ragged_batch: true }',
            Batching(2, dynamic=True),
            id="ragged-batches",
        ),
        pytest.param(
            "model_transaction_policy { decoupled: false } response_cache { enable: false }",
            Batching(1, dynamic=False),
            id="nothing-switched-on",
        ),
    ],
)
def test_a_config_says_how_batches_form(text, expected):
    assert _of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ensemble_scheduling { }", id="ensemble"),
        pytest.param('instance_group { rate_limiter { resources { name: "R" count: 1 } } }', id="rate-limiter"),
        pytest.param('ensemble_scheduling { step { model_name: "a" } }', id="ensemble-with-steps"),
        pytest.param("sequence_batching { }", id="sequences"),
        pytest.param("model_transaction_policy { decoupled: true }", id="decoupled"),
        pytest.param("response_cache { enable: true }", id="response-cache"),
        pytest.param("dynamic_batching { preserve_ordering: true }", id="preserved-order"),
        pytest.param("dynamic_batching { priority_levels: 2 default_priority_level: 1 }", id="priorities"),
        pytest.param("dynamic_batching { default_queue_policy { max_queue_size: 5 } }", id="queue-policy"),
        pytest.param(
            "dynamic_batching { priority_queue_policy { key: 1 value { max_queue_size: 5 } } }", id="priority-policy"
        ),
        pytest.param(
            'parameters { key: "TRITON_BATCH_STRATEGY_PATH" value { string_value: "/b.so" } }', id="own-strategy"
        ),
        pytest.param("instance_group [ { gpus: [ 0, 1 ] } ]", id="two-gpus"),
        pytest.param(
            "max_batch_size: 4 dynamic_batching { preferred_batch_size: [ 2, 8 ] }", id="preferred-beyond-the-largest"
        ),
        pytest.param("dynamic_batching { preferred_batch_size: [ 8 ] }", id="largest-left-to-triton"),
    ],
)
def test_the_model_leaves_other_schedulers_alone(text):
    assert _of(text) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_batch_size": 0},
        {"instances": 0},
        {"max_queue_delay_s": -1.0},
        {"preferred_sizes": (9,)},
        {"preferred_sizes": (0, 4)},
    ],
)
def test_impossible_batching_is_refused(wrong):
    with pytest.raises(ValueError, match=r"preferred|at least"):
        Batching(**{"max_batch_size": 8, "dynamic": True, **wrong})
