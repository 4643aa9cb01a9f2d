"""The trials that a study begins with."""

from autotune.repository import ConfigSet, ModelConfig, RequestShapes
from autotune.search._starts import LARGEST_BATCH, starts
from autotune.space import JointSpace, SearchSpace

_SPACE = SearchSpace.parse(
    """
parameters:
  max_batch_size: [1, 16]
  dynamic_batching: [true]
  instance_count: [1, 2]
fields:
  input[0].allow_ragged_batch: [false, true]
""",
    "space.yaml",
)
_CONFIG = """
name: "reader" max_batch_size: 16 dynamic_batching { }
input { name: "tokens" data_type: TYPE_INT32 dims: [ -1 ] }
"""


def _ragged(requests: RequestShapes | None) -> dict[str, bool]:
    base = ConfigSet.of(ModelConfig.parse(_CONFIG, "config.pbtxt"))
    space = JointSpace({"reader": _SPACE})
    return {
        start.label: start.configs.asked.value("input.allow_ragged_batch")
        for start in starts(base, base, space, simulates=True, ready=False, requests=requests)
    }


def test_the_largest_batch_is_tried_with_ragged_batches_if_shapes_differ() -> None:
    lengths = RequestShapes({"tokens": (1, length)} for length in (3, 4, 5))
    assert [label for label, ragged in _ragged(lengths).items() if ragged] == [LARGEST_BATCH]
    assert not any(_ragged(None).values())
    assert not any(_ragged(RequestShapes([{"tokens": (1, 3)}])).values())


def test_models_that_share_a_server_are_tried_with_the_largest_batch_of_each_alone() -> None:
    """A long batch of one model keeps the device from the others, which only trials of each alone show."""
    plain = 'max_batch_size: 4 dynamic_batching { } input { name: "x" data_type: TYPE_FP32 dims: [ 1 ] }'
    base = ConfigSet.of(*(ModelConfig.parse(f'name: "{name}" {plain}', name) for name in ("a", "b")))
    sizes = SearchSpace.parse(
        "parameters: {max_batch_size: [4, 64], dynamic_batching: [true], instance_count: [1]}", "space.yaml"
    )
    found = {
        start.label: [config.max_batch_size for config in start.configs]
        for start in starts(
            base, base, JointSpace({"a": sizes, "b": sizes}), simulates=False, ready=False, asked=("a", "b")
        )
    }
    assert found == {
        "baseline": [4, 4],
        "Triton's default batching": [4, 4],
        "largest batch of a": [64, 4],
        "largest batch of b": [4, 64],
        "largest batch": [64, 64],
    }
